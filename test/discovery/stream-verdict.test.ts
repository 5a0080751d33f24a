import { verdictOfStream } from '../../src/discovery/stream-verdict.ts';

const lossless = { mode: 'lossless', outageToSurviveInHours: 24 } as const;

test.each([
  [{ Status: 'ACTIVE', DataRetentionInHours: 24 }, 'ok', 'ACTIVE, keeps its video for 24 h'],
  [{ Status: 'UPDATING', DataRetentionInHours: 48 }, 'ok', 'UPDATING, keeps its video for 48 h'],
  [{ DataRetentionInHours: 24 }, 'ok', 'ACTIVE, keeps its video for 24 h'],
  [{ Status: 'UPDATING', DataRetentionInHours: 23 }, 'warning', 'keeps its video for 23 hours'],
  [{ Status: 'ACTIVE' }, 'warning', 'data retention 0'],
  [{ Status: 'CREATING', DataRetentionInHours: 24 }, 'warning', 'it can be read when it is ACTIVE'],
  [{ Status: 'DELETING', DataRetentionInHours: 24 }, 'error', 'it is being deleted'],
  [null, 'error', 'there is no such stream in this account and region'],
] as const)('%j: %s', (info, result, text) => {
  expect(verdictOfStream('front', info, lossless)).toEqual({ result, text: expect.stringContaining(text) });
});

test('what is not lossless needs no retention', () => {
  const live = { ...lossless, mode: 'live' } as const;
  expect(verdictOfStream('front', { Status: 'ACTIVE', DataRetentionInHours: 0 }, live).result).toBe('ok');
});
