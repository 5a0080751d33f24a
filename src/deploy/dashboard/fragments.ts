import { placeholder } from './widgets.ts';

/** A body for Fn::Sub, and what it is to put in for names that the template does not know. */
export interface Factored {
  readonly body: string;
  readonly variables: Readonly<Record<string, string>>;
}

const PROPERTIES = `,"properties":{"region":"${placeholder('AWS::Region')}",`;

/**
 * What the widgets have in common, by the name that stands for it. None begins with the end of a placeholder, and no
 * name is a boolean of YAML 1.1, as Y and N are.
 */
const FRAGMENTS: Readonly<Record<string, string>> = {
  G: `${PROPERTIES}"yAxis":{"left":{"min":0},"right":{"min":0}},"title":"`,
  V: `${PROPERTIES}"view":"singleValue","sparkline":true,"title":"`,
  S: '","stat":"Sum","metrics":[["KvsInference","',
  M: '","stat":"Maximum","metrics":[["KvsInference","',
  W: '{"type":"metric","height":6,"width":',
  A: `","AppName","${placeholder('AppName')}"`,
  P: '{"stat":"p50","label":"p50"}],["...",{"stat":"p90","label":"p90"}],["...",{"stat":"p99","label":"p99"}',
  E: ']]}},',
  R: '",".",".",{"yAxis":"right"}',
  K: '",".",".",{"label":"',
  Q: '",".","."],[".","',
  D: '],["...",{"stat":"',
  T: '],[".","',
  L: '"label":"',
  X: '",".","."',
  B: `"arn:${placeholder('AWS::Partition')}:cloudwatch:${placeholder('AWS::Region')}:${placeholder('AWS::AccountId')}:alarm:`,
  F: `SEARCH('{AWS/SageMaker,EndpointName,VariantName} EndpointName=\\"${placeholder('SageMakerEndpoint')}\\" MetricName=(\\"`,
  H: `(#logsV2:log-groups/log-group/$252Fkvs-inference$252F${placeholder('AppName')}$252F`,
};

/** The same body in three fifths of the room: a template has only so much. */
export function factored(body: string): Factored {
  const short = Object.entries(FRAGMENTS).reduce(
    (text, [name, fragment]) => text.replaceAll(fragment, placeholder(name)),
    body,
  );
  return { body: short, variables: FRAGMENTS };
}
