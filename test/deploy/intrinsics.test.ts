import { renderConfiguration } from '../../src/deploy/configuration.ts';
import { evaluate } from '../../src/deploy/intrinsics.ts';
import { parseTemplate } from '../../src/deploy/template.ts';

const TEMPLATE = parseTemplate(`
Parameters:
  Names: { Type: String, Default: '' }
Conditions:
  HasNames: !Not [!Equals [!Ref Names, '']]
  Both: !And [!Condition HasNames, { 'Fn::Equals': [1, '1'] }]
  Any: !Or [!Equals [a, b], !Condition HasNames]
Resources:
  Params:
    Type: AWS::SSM::Parameter
    Properties:
      Value: !Sub
        - '{"streams":[\${List}],"stream":"\${Kds}","literal":"\${!Kds}","arn":"\${Kds.Arn}"}'
        - List: !If
            - HasNames
            - !Join [',', !Split [' ', !Ref Names]]
            - ''
`);

const PROPERTIES = parseTemplate(`
Resources:
  A:
    Type: T
    Properties:
      Items: [!Ref Kds, !Ref AWS::NoValue]
      Gone: !If [HasNames, here, !Ref AWS::NoValue]
      Both: !If [Both, both, one]
      Any: !If [Any, any, none]
      Second: !Select [1, !Split ['.', a.b.c]]
      Attribute: !GetAtt Kds.Nested.Arn
      Contains: !Contains [[1, 2], '2']
      Plain: { Deeper: [1, true, null, text] }
      Statement: { Condition: { Bool: { secure: yes } } }
`);

function scope(names: string) {
  return {
    ref: (name: string) => ({ Names: names, Kds: 'results' })[name],
    getAtt: (logicalId: string, attribute: string) => `${logicalId}/${attribute}`,
    conditions: TEMPLATE.Conditions ?? {},
  };
}

test.each([
  ['a b', { Gone: 'here', Both: 'both', Any: 'any' }],
  ['', { Both: 'one', Any: 'none' }],
])('with the parameter "%s" the functions are evaluated as CloudFormation does', (names, conditional) => {
  expect(evaluate(PROPERTIES.Resources['A']?.Properties, scope(names))).toEqual({
    Items: ['results'],
    ...conditional,
    Second: 'b',
    Attribute: 'Kds/Nested.Arn',
    Contains: true,
    Plain: { Deeper: [1, true, null, 'text'] },
    // As in YAML 1.1.
    Statement: { Condition: { Bool: { secure: true } } },
  });
});

test('variables of Fn::Sub come before resources, and literals stay', () => {
  expect(evaluate(TEMPLATE.Resources['Params']?.Properties?.['Value'], scope('x y'))).toBe(
    // biome-ignore lint/suspicious/noTemplateCurlyInString: that is what stays
    '{"streams":[x,y],"stream":"results","literal":"${Kds}","arn":"Kds/Arn"}',
  );
});

test.each([
  ['a function that is not known', '!Cidr [a, b]', 'Fn::Cidr is not known'],
  ['a reference to nothing', '!Ref Nobody', 'Nobody'],
  ['an attribute of nothing', '!GetAtt Nobody.Arn', 'Nobody.Arn'],
  ['a condition that is not there', '!If [Never, a, b]', 'Never'],
  ['an item that is not there', '!Select [3, [a]]', 'no item 3'],
  ['what is no text', '!Join [",", [[a]]]', '["a"] is no text'],
  ['what is no list', '!Join [",", a]', '"a" is no list'],
  ['what is no condition', '!Not [a]', '"a" is no condition'],
  ['a condition alone', '!And [!Equals [a, a]]', '2 to 10 conditions, not 1'],
])('%s is named', (_name, value, message) => {
  const { Resources } = parseTemplate(`Resources: { A: { Type: T, Properties: { Value: ${value} } } }`);
  const properties = Resources['A']?.Properties;
  expect(() => evaluate(properties, { ref: () => undefined, conditions: {} })).toThrow(message);
});

test('a template is YAML or JSON with resources', () => {
  expect(parseTemplate('{"Resources":{"A":{"Type":"T"}}}').Resources).toEqual({ A: { Type: 'T' } });
  expect(() => parseTemplate('just text')).toThrow('without resources');
  expect(() => parseTemplate('a: [')).toThrow();
  expect(() => parseTemplate('Resources: { A: &a 1, B: *a }')).toThrow('no aliases: *a');
  expect(() => parseTemplate('Resources: { A: !Reff B }')).toThrow('!Reff');
  expect(() => renderConfiguration(PROPERTIES, {}, {})).toThrow('Params');
});
