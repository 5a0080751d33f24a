// Damages Matroska and checks what the demuxer makes of it, from a clone.
import { runProgram } from './bundle-program.mjs';

await runProgram('test/fuzz/main.ts');
