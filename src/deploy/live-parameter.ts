import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import {
  DeleteParameterCommand,
  GetParameterCommand,
  type Parameter,
  PutParameterCommand,
  type SSMClient,
} from '@aws-sdk/client-ssm';
import { NEVER } from '../core/clock.ts';
import { errorName, errorText, KvsInferenceError } from '../core/errors.ts';
import { type Context, say } from './context.ts';
import { isGoingOn } from './follow.ts';

type Ssm = Pick<SSMClient, 'send'>;

/**
 * A name that was deleted is free only then
 * (https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DeleteParameter.html).
 */
const NAME_TAKEN_MILLIS = 30_000;

/** The SSM parameter, not decrypted; null: there is none. */
export async function readParameter(ssm: Ssm, Name: string, signal: AbortSignal): Promise<Parameter | null> {
  try {
    const { Parameter: parameter } = await ssm.send(new GetParameterCommand({ Name }), {
      abortSignal: signal,
    });
    return parameter ?? null;
  } catch (error) {
    if (errorName(error) === 'ParameterNotFound') return null;
    throw error;
  }
}

/**
 * The SSM parameter beside CloudFormation, which knows only what it has put there itself. Whatever was in it is in it
 * again, or in a file, when something fails.
 */
export class LiveParameter {
  readonly #ssm: Ssm;
  readonly #name: string;
  readonly #region: string;
  readonly #context: Context;

  constructor(ssm: Ssm, name: string, region: string, context: Context) {
    this.#ssm = ssm;
    this.#name = name;
    this.#region = region;
    this.#context = context;
  }

  /** @throws {KvsInferenceError} CHANGED if it does not hold what it held before; null: it was not there */
  async requireStill(value: string | null): Promise<void> {
    const now = await readParameter(this.#ssm, this.#name, this.#context.signal);
    if ((now?.Value ?? null) === value) return;
    throw new KvsInferenceError(
      'CHANGED',
      `the SSM parameter ${this.#name} has changed meanwhile: look at it and run this again`,
    );
  }

  async overwrite(value: string): Promise<void> {
    this.#context.signal.throwIfAborted();
    await this.#put(value, true);
    say(this.#context, `configuration in ${this.#name} replaced`);
  }

  /** CloudFormation cannot change what is gone. */
  async putBack(value: string): Promise<void> {
    this.#context.signal.throwIfAborted();
    await this.#put(value, false);
    say(this.#context, `the SSM parameter ${this.#name} was deleted: put back`);
  }

  /**
   * An update that fails puts back what CloudFormation had put there before, not what has been tuned since.
   *
   * @param live what is in the parameter
   * @param before what CloudFormation has put there
   */
  async keepThrough(live: string, before: string | null, update: () => Promise<void>): Promise<void> {
    try {
      await update();
    } catch (error) {
      if (!isGoingOn(error)) await this.#restore(live, before);
      else if (live !== before) {
        const file = this.#backUp(live);
        this.#say(`should the update fail, what was tuned is lost; ${this.#howToPutBack(file, true)}`);
      }
      throw error;
    }
  }

  /**
   * Puts another one's parameter out of the way while a stack is made with its own, as CloudFormation makes no
   * parameter that is there already.
   *
   * @param isGone whether there is no stack after a failure; only then the name is free
   */
  async setAside(
    value: string,
    create: () => Promise<void>,
    isGone: (signal: AbortSignal) => Promise<boolean>,
  ): Promise<void> {
    const { clock, signal } = this.#context;
    signal.throwIfAborted();
    const file = this.#backUp(value);
    this.#say(`saved in ${file}`);
    const deletedAt = clock.monotonic();
    try {
      await this.#delete();
      this.#say('deleted; SSM takes half a minute until the name is free');
      await clock.sleep(NAME_TAKEN_MILLIS, signal);
      await create();
    } catch (error) {
      const isFree = !isGoingOn(error) && (await isGone(NEVER).catch(() => false));
      if (isFree) await this.#putAsItWas(value, file, deletedAt);
      else {
        this.#say(
          `not put back, as the stack makes its own; when the stack is gone: ${this.#howToPutBack(file, false)}`,
        );
      }
      throw error;
    }
  }

  async #putAsItWas(value: string, file: string, deletedAt: number): Promise<void> {
    const { clock } = this.#context;
    try {
      const now = await readParameter(this.#ssm, this.#name, NEVER);
      if (now?.Value !== value) {
        this.#say('is put back as soon as its name is free');
        await clock.sleep(Math.max(0, deletedAt + NAME_TAKEN_MILLIS - clock.monotonic()));
        await this.#put(value, false);
      }
      this.#say('is as it was');
    } catch (error) {
      const why = errorText(error);
      this.#say(`cannot be put back (${why}); ${this.#howToPutBack(file, false)}`);
    }
  }

  /** Whatever happens here: the error that is thrown is that of the update. */
  async #restore(live: string, before: string | null): Promise<void> {
    try {
      const now = await readParameter(this.#ssm, this.#name, NEVER);
      if (now?.Value === live) return;
      if (now === null || now.Value !== before) {
        const is =
          now === null ? 'is not there any more' : 'holds what neither was there nor is of the rollback';
        const file = this.#backUp(live);
        this.#say(
          `${is}, and is left alone; what it held: ${file}; ${this.#howToPutBack(file, now !== null)}`,
        );
        return;
      }
      await this.#put(live, true);
      this.#say('the rollback has put the old configuration there: what was tuned is put back');
    } catch (error) {
      const file = this.#backUp(live);
      const why = errorText(error);
      this.#say(`what was tuned cannot be put back (${why}); ${this.#howToPutBack(file, true)}`);
    }
  }

  async #put(Value: string, Overwrite: boolean): Promise<void> {
    const Name = this.#name;
    const tier = { Type: 'String', Tier: 'Intelligent-Tiering' } as const;
    await this.#ssm.send(new PutParameterCommand({ Name, Value, Overwrite, ...tier }));
  }

  async #delete(): Promise<void> {
    try {
      await this.#ssm.send(new DeleteParameterCommand({ Name: this.#name }));
    } catch (error) {
      if (errorName(error) !== 'ParameterNotFound') throw error;
    }
  }

  /** @returns the path of a file with the value; an older one is not overwritten */
  #backUp(value: string): string {
    for (let number = 1; ; number += 1) {
      const infix = number === 1 ? '' : `-${number}`;
      const path = `${this.#context.root}${this.#name}.ssm-backup${infix}.json`;
      if (!existsSync(path)) writeFileSync(path, value, { flag: 'wx', mode: 0o600 });
      if (readFileSync(path, 'utf8') === value) return path;
    }
  }

  #howToPutBack(file: string, isThere: boolean): string {
    const overwrite = isThere ? ' --overwrite' : '';
    return `to put it back: aws ssm put-parameter --name ${this.#name} --type String --tier Intelligent-Tiering${overwrite} --value file://${file} --region ${this.#region}`;
  }

  #say(what: string): void {
    say(this.#context, `the SSM parameter ${this.#name}: ${what}`);
  }
}
