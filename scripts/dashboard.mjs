// Draws the dashboard with the metrics of workers' logs, as it will look in CloudWatch.
import { runProgram } from './bundle-program.mjs';

await runProgram('src/deploy/dashboard/main.ts');
