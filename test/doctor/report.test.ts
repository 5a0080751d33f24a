import picocolors from 'picocolors';
import { reportJson, reportLines, reportText } from '../../src/cli/doctor-report.ts';
import type { Finding } from '../../src/doctor/check.ts';
import { failed, ok, warning } from '../../src/doctor/check.ts';

const plain = picocolors.createColors(false);

const row = (check: string, target: string, verdict = ok('fine')): Finding => ({ check, target, ...verdict });
const denied = (check: string, target: string, Action: string, Resource: string): Finding => ({
  ...row(check, target, failed(`${Action}\n  is denied`, "add the statement to the role's policy")),
  statement: { Effect: 'Allow', Action, Resource },
});

const FINDINGS = [
  row('DescribeStream', 'front'),
  row('GetMedia', 'front', warning('three readers')),
  denied('GetMedia', 'back', 'kinesisvideo:GetMedia', 'arn:back'),
  denied('GetMedia', 'side', 'kinesisvideo:GetMedia', 'arn:side'),
  row('PutRecords', 'results', failed('ETIMEDOUT', 'is there a way?')),
  row('PutObject', 'outputs', failed('ETIMEDOUT', 'is there a way?')),
  denied('Scan', 'cameras', 'dynamodb:Scan', 'arn:cameras'),
];
const STATEMENT = '{"Effect":"Allow","Action":"kinesisvideo:GetMedia","Resource":"arn:back"}';

test('a log has a line for each finding, with what to do', () => {
  expect(reportLines(FINDINGS.slice(0, 3))).toEqual([
    'ok       DescribeStream  front  fine',
    'warning  GetMedia        front  three readers',
    `error    GetMedia        back   kinesisvideo:GetMedia is denied; to do: add the statement to the role's policy: ${STATEMENT}`,
    '1 error, 1 warning, 1 ok',
  ]);
});

test('a person sees a table, below it in full what is not right, once if it is the same, and all statements together', () => {
  expect(reportText(FINDINGS, plain, 60)).toBe(`  result   check           target   detail
  ok       DescribeStream  front    fine
  warning  GetMedia        front    three readers
  error    GetMedia        back     kinesisvideo:GetMedia is deni…
  error    GetMedia        side     kinesisvideo:GetMedia is deni…
  error    PutRecords      results  ETIMEDOUT
  error    PutObject       outputs  ETIMEDOUT
  error    Scan            cameras  dynamodb:Scan is denied

  warning GetMedia front
    three readers

  error GetMedia back
    kinesisvideo:GetMedia is denied
    → add the statement to the role's policy: ${STATEMENT}

  error GetMedia side
    kinesisvideo:GetMedia is denied
    → add the statement to the role's policy: ${STATEMENT.replace('back', 'side')}

  error PutRecords results
  error PutObject outputs
    ETIMEDOUT
    → is there a way?

  error Scan cameras
    dynamodb:Scan is denied
    → add the statement to the role's policy: {"Effect":"Allow","Action":"dynamodb:Scan","Resource":"arn:cameras"}

  All statements together:
    {"Effect":"Allow","Action":"kinesisvideo:GetMedia","Resource":["arn:back","arn:side"]},
    {"Effect":"Allow","Action":"dynamodb:Scan","Resource":["arn:cameras"]}

  5 errors, 1 warning, 1 ok`);
});

test('colours tell the results apart', () => {
  const text = reportText(FINDINGS, picocolors.createColors(true), 80);
  expect(text).toContain('\u001b[32mok\u001b[39m');
  expect(text).toContain('\u001b[33mwarning\u001b[39m');
  expect(text).toContain('\u001b[31merror\u001b[39m');
});

test('of many streams some are shown; the counts and the JSON have all', () => {
  const streams = Array.from({ length: 1000 }, (_, index) => `s${index}`);
  const findings = [
    ...streams.map((stream) => row('DescribeStream', stream)),
    ...streams.map((stream) => row('GetMedia', stream, failed('no', 'do it'))),
  ];
  const lines = reportLines(findings);
  expect(lines).toHaveLength(5 + 1 + 20 + 1 + 1);
  expect(lines[5]).toBe('ok       DescribeStream  …    and 995 more; --json has all');
  expect(lines.at(-1)).toBe('1000 errors, 0 warnings, 1000 ok');
  const { counts, findings: all } = JSON.parse(reportJson(findings));
  expect(counts).toEqual({ ok: 1000, warning: 0, error: 1000 });
  expect(all).toEqual(findings);
});

test('the row that would stand for one more is that one itself', () => {
  const lines = reportLines(Array.from({ length: 6 }, (_, index) => row('DescribeStream', `s${index}`)));
  expect(lines[5]).toContain('s5');
});
