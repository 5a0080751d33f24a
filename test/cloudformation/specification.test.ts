import { statSync } from 'node:fs';
import { loadAwsServiceSpecSync } from '@aws-cdk/aws-service-spec';
import type { SpecDatabase } from '@aws-cdk/service-spec-types';
import { referenceProblems } from './references.ts';
import { specificationProblems } from './specification.ts';
import { isObject, MAIN_TEMPLATE, parseTemplate, readTemplate, TEMPLATES, templatePath } from './template.ts';

let specification: SpecDatabase;
beforeAll(() => {
  specification = loadAwsServiceSpecSync();
});

describe.each(TEMPLATES)('%s', (file) => {
  test('has only resources and properties that the specification knows, of its types, and all that it requires', () => {
    expect(specificationProblems(readTemplate(file), specification)).toEqual([]);
  });

  test('refers only to what exists where it is referred to, and declares nothing in vain', () => {
    expect(referenceProblems(readTemplate(file), specification)).toEqual([]);
  });

  test('describes every parameter, and says what is right for every parameter that is checked', () => {
    const { Description, Parameters = {} } = readTemplate(file);
    expect(Description).toEqual(expect.any(String));
    const parameters = Object.entries(Parameters);
    expect(parameters.filter(([, each]) => !each.Description).map(([name]) => name)).toEqual([]);
    const patterns = parameters.filter(([, { AllowedPattern }]) => AllowedPattern !== undefined);
    expect(patterns.filter(([, each]) => !each.ConstraintDescription).map(([name]) => name)).toEqual([]);
    expect(
      patterns.filter(([, each]) => !/^\^.*\$$/.test(each.AllowedPattern ?? '')).map(([name]) => name),
    ).toEqual([]);
  });

  test('can be given to CloudFormation as it is', () => {
    expect(statSync(templatePath(file)).size).toBeLessThan(51_200);
  });
});

test('every parameter of the stack is in one group of the console', () => {
  const { Metadata = {}, Parameters = {} } = readTemplate(MAIN_TEMPLATE);
  const page = Metadata['AWS::CloudFormation::Interface'];
  const groups = isObject(page) && Array.isArray(page['ParameterGroups']) ? page['ParameterGroups'] : [];
  const grouped = groups.flatMap((group) => (isObject(group) ? group['Parameters'] : []));
  const labels =
    isObject(page) && isObject(page['ParameterLabels']) ? Object.keys(page['ParameterLabels']) : [];
  expect([...grouped].sort()).toEqual(Object.keys(Parameters).sort());
  expect(labels.filter((name) => !(name in Parameters))).toEqual([]);
});

describe('the check finds', () => {
  const problemsIn = (text: string) => {
    const template = parseTemplate(text);
    return [...specificationProblems(template, specification), ...referenceProblems(template, specification)];
  };
  const queue = (properties: string) => `
Parameters: { Name: { Type: String }, Days: { Type: Number, AllowedValues: [1, 2] } }
Conditions: { Named: !Not [!Equals [!Ref Name, '']], Unnamed: !Equals [!Ref Name, ''] }
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Condition: Named
    Properties: { QueueName: !Ref Name, MessageRetentionPeriod: !Ref Days }
  Function: { Type: AWS::Lambda::Function, Properties: { Role: r, Code: { ZipFile: c }, ${properties} } }
Outputs: { Unnamed: { Condition: Unnamed, Value: !If [Named, !Ref Queue, ''] } }`;

  test.each([
    ['nothing in what is right', 'Timeout: 3', []],
    ['a property that is none', 'TimeOut: 3', ['Function has no property TimeOut']],
    ['a number as text', "Timeout: '3'", ['Function.Timeout is "3", not a whole number']],
    ['text as a number', 'Description: 3', ['Function.Description is 3, not text']],
    ['a number from text', 'Timeout: !Ref Name', ['Function.Timeout is a number, but Name is a String']],
    ['text for a list', 'Layers: layer', ['Function.Layers is "layer", not a list']],
    ['a list from text', 'Layers: !Ref Name', ['Function.Layers: Ref gives a scalar, not a list']],
    [
      'a list for text',
      "Handler: !Split [',', a]",
      ['Function.Handler: Fn::Split gives a list, not a scalar'],
    ],
    [
      'a nested one that is none',
      'LoggingConfig: { Group: a }',
      ['Function.LoggingConfig has no property Group'],
    ],
    ['a value that is none', 'PackageType: zip', ['Function.PackageType is zip, not one of Image, Zip']],
    [
      'what is wrong in one branch',
      'Timeout: !If [Named, 3, a]',
      ['Function.Timeout is "a", not a whole number'],
    ],
    ['what is required', 'Tags: [{ Key: a }]', ['Function.Tags[0].Value is missing']],
    [
      'an attribute that is none',
      'Handler: !If [Named, !GetAtt Queue.Name, a]',
      ['Resources.Function.Handler: Queue, AWS::SQS::Queue, has no attribute Name'],
    ],
    [
      'a reference to nothing',
      `Handler: !Sub "a \${Nothing}"`,
      ['Resources.Function.Handler: there is no parameter or resource Nothing'],
    ],
    [
      'a condition that is none',
      'Handler: !If [Nothing, a, b]',
      ['Resources.Function.Handler: there is no condition Nothing'],
    ],
    [
      'what is not always there',
      'Handler: !Ref Queue',
      ['Resources.Function.Handler: Queue exists only with Named'],
    ],
    [
      'what is not there now',
      "Handler: !If [Unnamed, !Ref Queue, '']",
      ['Resources.Function.Handler: Queue exists only with Named'],
    ],
    ['but not what is there', "Handler: !If [Unnamed, '', !Ref Queue]", []],
    ['what needs itself', 'Handler: !Ref Function', ['Function needs itself']],
  ])('%s', (_what, properties, problems) => {
    expect(problemsIn(queue(properties))).toEqual(problems);
  });
});
