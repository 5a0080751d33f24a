import { spawnSync } from 'node:child_process';
import { accessSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { EvaluatedResource } from './evaluate.ts';

const SYSTEMS: Partial<Record<NodeJS.Platform, string>> = { linux: 'ubuntu', darwin: 'macos' };
const ARCHITECTURES: Partial<Record<NodeJS.Architecture, string>> = { x64: 'x86_64', arm64: 'aarch64' };

/** cfn-guard's program for this machine; null where the package has none. */
export function guardProgram(): string | null {
  const system = SYSTEMS[process.platform];
  const architecture = ARCHITECTURES[process.arch];
  if (system === undefined || architecture === undefined) return null;
  const main = createRequire(import.meta.url).resolve('@cdklabs/cdk-validator-cfnguard');
  const program = join(dirname(main), '..', 'bin', system, architecture, 'cfn-guard');
  accessSync(program);
  return program;
}

/** The rules that a set of resources breaks, and those that had something to say about it. */
export interface Verdict {
  readonly broken: readonly string[];
  readonly kept: readonly string[];
}

interface Report {
  name: string;
  not_compliant: { Rule: { name: string } }[];
  compliant: string[];
}

/** Applies rules to many sets of resources with one process. */
export function applyRules(
  program: string,
  rules: string,
  stacks: readonly Record<string, EvaluatedResource>[],
): Verdict[] {
  const input = JSON.stringify({
    rules: [rules],
    data: stacks.map((Resources) => JSON.stringify({ Resources })),
  });
  const options = [
    'validate',
    '--payload',
    '--structured',
    '--output-format',
    'json',
    '--show-summary',
    'none',
  ];
  const { stdout, stderr } = spawnSync(program, options, { input, encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (stdout === '') throw new Error(`cfn-guard: ${stderr}`);
  const reports = new Map((JSON.parse(stdout) as Report[]).map((report) => [report.name, report]));
  return stacks.map((_stack, index) => {
    const report = reports.get(`DATA_STDIN[${index + 1}]`);
    if (report === undefined) throw new Error(`cfn-guard says nothing about stack ${index}: ${stderr}`);
    return {
      broken: report.not_compliant.map(({ Rule }) => Rule.name).sort(),
      kept: report.compliant.sort(),
    };
  });
}
