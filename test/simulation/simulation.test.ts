import { simulate } from './simulate.ts';

const FLEET = {
  workers: 6,
  streams: 40,
  failoverTimeInMilli: 10_000,
  faultMillis: 240_000,
  troubleMillis: 400_000,
  fragmentMillis: 4000,
};

test.each([1, 2, 3])(
  'a fleet goes through trouble and loses nothing, seed %i',
  async (seed) => {
    const report = await simulate({ ...FLEET, seed });
    expect(report.published).toBeGreaterThan(1000);
  },
  60_000,
);
