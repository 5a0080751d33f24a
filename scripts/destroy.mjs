// Deletes the stack: `npm run destroy -- --app-name …`.
import { root, runProgram } from './bundle-program.mjs';

process.argv.splice(2, 0, root, 'destroy');
await runProgram('src/deploy/main.ts');
