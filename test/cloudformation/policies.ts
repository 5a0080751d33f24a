import type { EvaluatedResource } from './evaluate.ts';
import { isObject, type Json } from './template.ts';

export interface Statement {
  readonly actions: readonly string[];
  readonly resources: readonly string[];
}

/** What a role of a stack is allowed, by the policies that stand for themselves and by those within the role. */
export function statements(resources: Record<string, EvaluatedResource>, role: string): Statement[] {
  const inline = list(resources[role]?.Properties['Policies']).map((policy) =>
    property(policy, 'PolicyDocument'),
  );
  const own = Object.values(resources)
    .filter(({ Type, Properties }) => {
      if (Type === 'AWS::IAM::RolePolicy') return Properties['RoleName'] === `${role}.Ref`;
      return Type === 'AWS::IAM::Policy' && list(Properties['Roles']).includes(`${role}.Ref`);
    })
    .map(({ Properties }) => Properties['PolicyDocument']);
  return [...inline, ...own]
    .flatMap((document) => list(property(document, 'Statement')))
    .map((statement) => {
      expect(statement).toMatchObject({ Effect: 'Allow' });
      return {
        actions: list(property(statement, 'Action')).map(String),
        resources: list(property(statement, 'Resource')).map(String),
      };
    });
}

/** All actions that a role is allowed, each once, sorted. */
export const allowedActions = (resources: Record<string, EvaluatedResource>, role: string): string[] =>
  [...new Set(statements(resources, role).flatMap(({ actions }) => actions))].sort();

const list = (value: Json | undefined): Json[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value];

const property = (value: Json | undefined, key: string): Json | undefined =>
  isObject(value) ? value[key] : undefined;
