declare module 'dynalite' {
  import type { Server } from 'node:http';

  /** An HTTP server that speaks DynamoDB's protocol, in memory. */
  export default function dynalite(options?: {
    /** How long a new table stays in CREATING, milliseconds. */
    createTableMs?: number;
  }): Server;
}
