import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import type { ParameterValues } from './parameters.ts';
import type { Template, TemplateFile } from './template.ts';

export interface Summary {
  readonly appName: string;
  readonly stackName: string;
  readonly region: string;
  readonly outputs: Readonly<Record<string, string>>;
  /** Null: the template is in no bucket, as no image was built. */
  readonly quickCreateLink: string | null;
}

/** What a user wants to know when the stack is there. Pure. */
export function summaryLines({ appName, stackName, region, outputs, quickCreateLink }: Summary): string[] {
  const stackId = encodeURIComponent(stackName);
  const lines = [
    ['dashboard', outputs['Dashboard']],
    ['configuration', outputs['Configuration']],
    ['logs of the workers', logsLink(`/kvs-inference/${appName}/worker`, region)],
    ['logs of the parser', logsLink(`/kvs-inference/${appName}/parser`, region)],
    ['stack', consoleLink(`cloudformation/home?region=${region}#/stacks?filteringText=${stackId}`, region)],
    ['quick-create link', quickCreateLink ?? undefined],
  ].flatMap(([what, where]) => (where === undefined ? [] : [`${what}:`, `  ${where}`]));
  return [
    ...lines,
    'to see the first detection, in a minute or two:',
    `  aws logs tail /kvs-inference/${appName}/parser --follow --region ${region}`,
  ];
}

/** The console encodes names of log groups twice, with a dollar sign for the outer per cent sign. */
function logsLink(logGroup: string, region: string): string {
  const name = encodeURIComponent(encodeURIComponent(logGroup)).replaceAll('%', '$');
  return consoleLink(`cloudwatch/home?region=${region}#logsV2:log-groups/log-group/${name}`, region);
}

function consoleLink(path: string, region: string): string {
  return `https://${region}.console.aws.amazon.com/${path}`;
}

/**
 * Opens the console with a stack ready to be created
 * (https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-console-create-stacks-quick-create-links.html):
 * with every parameter that is not as the template has it. Pure.
 */
export function quickCreateLink(
  template: Template,
  values: ParameterValues,
  { region, templateUrl, stackName }: { region: string; templateUrl: string; stackName: string },
): string {
  const parameters = Object.entries(template.Parameters).flatMap(([name, { Default }]) => {
    const value = values[name];
    const isDefault = value === undefined || value === String(Default ?? '');
    return isDefault ? [] : [[`param_${name}`, value] as const];
  });
  const query = [['templateURL', templateUrl] as const, ['stackName', stackName] as const, ...parameters]
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join('&');
  return consoleLink(`cloudformation/home?region=${region}#/stacks/quickcreate?${query}`, region);
}

/** @returns its address, for who may read the bucket */
export async function uploadTemplate(
  s3: Pick<S3Client, 'send'>,
  {
    bucket,
    region,
    file,
    signal,
  }: { bucket: string; region: string; file: TemplateFile; signal: AbortSignal },
): Promise<string> {
  const Key = 'kvs-inference.yaml';
  await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: file.body }), { abortSignal: signal });
  return `https://${bucket}.s3.${region}.amazonaws.com/${Key}`;
}
