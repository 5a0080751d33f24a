import { calledFunction, type Json } from './template.ts';

/** The distinct `Fn::Equals` that a condition comes down to, each as JSON. */
export function equalities(condition: string, conditions: Record<string, Json>): string[] {
  const atoms: string[] = [];
  decide({ Condition: condition }, conditions, (atom) => {
    atoms.push(atom);
    return false;
  });
  return atoms;
}

/** Whether a condition holds where exactly these of its equalities do. */
export const conditionHolds = (condition: string, conditions: Record<string, Json>, holding: Set<string>) =>
  decide({ Condition: condition }, conditions, (atom) => holding.has(atom));

function decide(value: Json, conditions: Record<string, Json>, isEqual: (atom: string) => boolean): boolean {
  const [name, argument] = calledFunction(value) ?? ['', null];
  const args = Array.isArray(argument) ? argument : [argument];
  const decided = () => args.map((each) => decide(each, conditions, isEqual));
  switch (name) {
    case 'Condition':
      return decide(conditions[String(argument)] ?? null, conditions, isEqual);
    case 'Fn::Equals':
      return isEqual(JSON.stringify(argument));
    case 'Fn::Not':
      return !decided().every(Boolean);
    case 'Fn::And':
      return decided().every(Boolean);
    case 'Fn::Or':
      return decided().some(Boolean);
    default:
      throw new Error(`${JSON.stringify(value)} is no condition`);
  }
}
