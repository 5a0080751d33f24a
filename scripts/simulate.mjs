// Runs the simulation of fleets from a clone, in plain Node.js: two and a half times as fast as inside of jest.
import { runProgram } from './bundle-program.mjs';

await runProgram('test/simulation/main.ts');
