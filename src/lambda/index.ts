import { createHandler } from './handler.ts';

/**
 * The Lambda function's entry, `index.handler`. Standard output and error go to CloudWatch Logs as they are, whereas
 * console.log would put a timestamp, request id and level before every line, and AWS KIT's lines had none.
 */
export const handler = createHandler({
  log: {
    record: (entry) => {
      const level = entry.error === null ? 'info' : 'error';
      process.stdout.write(`${JSON.stringify({ level, ...entry })}\n`);
    },
    text: (line) => process.stdout.write(`${line}\n`),
    error: (error) => process.stderr.write(`${JSON.stringify({ level: 'error', ...error })}\n`),
  },
  environment: process.env,
});
