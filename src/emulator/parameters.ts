import { z } from 'zod';
import { AwsJsonError, type AwsJsonOperation } from './aws-json.ts';

const MAX_ADVANCED_BYTES = 8192;

const putInput = z.object({
  Name: z.string().min(1),
  Value: z.string(),
  Type: z.enum(['String', 'StringList', 'SecureString']).default('String'),
  Overwrite: z.boolean().default(false),
});

/** SSM's parameters, in memory: GetParameter and PutParameter. */
export class Parameters {
  readonly #parameters = new Map<string, { value: string; type: string; version: number }>();

  readonly operations: Readonly<Record<string, AwsJsonOperation>> = {
    'AmazonSSM.GetParameter': (input) => this.#get(z.object({ Name: z.string() }).parse(input).Name),
    'AmazonSSM.PutParameter': (input) => this.#put(putInput.parse(input)),
  };

  set(name: string, value: string): void {
    this.#put({ Name: name, Value: value, Type: 'String', Overwrite: true });
  }

  #get(name: string) {
    const parameter = this.#parameters.get(name);
    if (parameter === undefined) throw new AwsJsonError('ParameterNotFound', `Parameter ${name} not found.`);
    const { value, type, version } = parameter;
    return { Parameter: { Name: name, Type: type, Value: value, Version: version } };
  }

  #put({ Name, Value, Type, Overwrite }: z.infer<typeof putInput>) {
    const before = this.#parameters.get(Name);
    if (before !== undefined && !Overwrite) {
      throw new AwsJsonError('ParameterAlreadyExists', 'The parameter already exists: set Overwrite.');
    }
    if (Buffer.byteLength(Value) > MAX_ADVANCED_BYTES) {
      throw new AwsJsonError('ValidationException', `A parameter holds at most ${MAX_ADVANCED_BYTES} bytes.`);
    }
    const version = (before?.version ?? 0) + 1;
    this.#parameters.set(Name, { value: Value, type: Type, version });
    return { Version: version, Tier: 'Standard' };
  }
}
