import config from './jest.config.js';

/** The tests that need a Chromium; they skip themselves where there is none. */
export default {
  ...config,
  testMatch: ['<rootDir>/test/browser/**/*.test.ts'],
  testPathIgnorePatterns: ['/node_modules/'],
  maxWorkers: 1,
};
