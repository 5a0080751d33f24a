// Deploys the stack from a clone: `npm run deploy -- --app-name … --stream-names … --endpoint …`.
import { root, runProgram } from './bundle-program.mjs';

process.argv.splice(2, 0, root, 'deploy');
await runProgram('src/deploy/main.ts');
