/** The actions that looking for streams can do without, and what it does then. */
export const DISPENSABLE: ReadonlyMap<string, string> = new Map([
  ['kinesisvideo:DescribeStream', 'streams are read as configured, whether they exist or not'],
  ['tag:GetResources', 'each stream of the account is asked for its tags'],
]);
