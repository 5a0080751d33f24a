import { checkParameterSize } from '../../src/deploy/checks/parameter-size.ts';
import { optionName, valueProblem } from '../../src/deploy/parameters.ts';

test.each([
  ['StreamNames', 'stream-names'],
  ['EndPointAcceptContentType', 'end-point-accept-content-type'],
  ['VpcId', 'vpc-id'],
  ['SageMakerEndpoint', 'endpoint'],
  ['DockerImageRepository', 'image'],
])('%s is given as --%s', (parameter, option) => {
  expect(optionName(parameter)).toBe(option);
});

test.each([
  [{ Type: 'Number', MinValue: 1, MaxValue: 9 } as const, '10', 'expected a number from 1 to 9'],
  [{ Type: 'Number', MinValue: 1 } as const, '0', 'expected a number from 1'],
  [{ Type: 'Number', MinValue: 1 } as const, '2', null],
  [{ Type: 'Number' } as const, '', 'expected a number'],
  [{ Type: 'Number' } as const, 'many', 'expected a number'],
  [{ Type: 'Number', AllowedValues: [256, 512] } as const, '300', 'expected one of 256, 512'],
  [{ Type: 'Number', AllowedValues: [256, 512] } as const, '512', null],
  [{ Type: 'String', AllowedValues: ['', 'a'] } as const, 'b', 'expected one of "", a'],
  // The whole value has to match, anchored or not.
  [
    { Type: 'String', AllowedPattern: '[a-z]+', ConstraintDescription: 'letters' } as const,
    'ab1',
    'expected letters',
  ],
  [{ Type: 'String', AllowedPattern: '[a-z]+', ConstraintDescription: 'letters' } as const, 'ab', null],
  [{ Type: 'String', MaxLength: 2 } as const, 'abc', 'expected a text of so many characters: to 2'],
])('%j with %j', (parameter, value, problem) => {
  expect(valueProblem(parameter, value)).toBe(problem);
});

test('a value that CloudFormation takes for too long is answered with tag filters', () => {
  expect(valueProblem({ Type: 'String' }, 'ä'.repeat(2049))).toMatch(/4098 bytes.*tag filters/);
});

test('a configuration of over 4,096 bytes costs something, and one of over 8,192 is none', () => {
  expect(checkParameterSize('x'.repeat(4096))).toMatchObject({ state: 'ok' });
  expect(checkParameterSize('x'.repeat(4097))).toMatchObject({
    state: 'warning',
    text: expect.stringContaining('advanced tier'),
  });
  expect(() => checkParameterSize('ä'.repeat(4097))).toThrow(/8194 bytes.*--tag-filters/);
});
