import { KinesisVideo } from '@aws-sdk/client-kinesis-video';
import { ResourceGroupsTaggingAPIClient } from '@aws-sdk/client-resource-groups-tagging-api';
import type { StreamSelection } from '../../src/config/resolve.ts';
import { systemClock } from '../../src/core/clock.ts';
import { Closers } from '../../src/core/closers.ts';
import { StreamDiscovery } from '../../src/discovery/discovery.ts';
import { serveAwsJson } from '../../src/emulator/aws-json.ts';
import { startKinesisVideo } from '../../src/emulator/kinesis-video/server.ts';
import { taggingOperations } from '../../src/emulator/tagging.ts';
import { type Answer, type ReceivedRequest, serve } from '../support/http-server.ts';
import { HastyClock, localClient, recorded } from '../support/services.ts';

export interface Call {
  /** As in `describeStream`, `GetResources`. */
  readonly operation: string;
  readonly input: Readonly<Record<string, unknown>>;
}

/** Waits take no time; the limit of a request is not reached. */
class HastyWait extends HastyClock {
  override async sleep(millis: number, signal?: AbortSignal): Promise<void> {
    if (millis >= 10_000) return await systemClock.sleep(millis, signal);
    return await super.sleep(millis, signal);
  }
}

/** An account with video streams, and a server before its services that can answer in their place. */
export async function startAccount() {
  const closers = new Closers();
  const clock = new HastyWait();
  const kinesisVideo = closers.add(await startKinesisVideo({ clock }));
  const account = {
    kinesisVideo,
    /** Resources that GetResources knows beside the streams. */
    resources: [] as Array<{ arn: string; tags: Record<string, string> }>,
    calls: [] as Call[],
    /** Null lets a call through. */
    intercept: (_call: Call): Answer | null => null,
    /** Operations that were called, with how often. */
    counts: () => {
      const counts: Record<string, number> = {};
      for (const { operation } of account.calls) counts[operation] = (counts[operation] ?? 0) + 1;
      return counts;
    },
    create: (name: string, tags: Record<string, string> = {}) => kinesisVideo.createStream(name, { tags }),
    delete: async (StreamARN: string) => void (await api.deleteStream({ StreamARN })),
    discovery: (config: Partial<StreamSelection>) => {
      const { log, lines, metrics, total } = recorded(clock);
      const discovery = new StreamDiscovery({
        selections: () => [{ streamNames: [], tagFilters: [], ...config }],
        kinesisVideo: api,
        tagging,
        clock,
        log,
        metrics,
      });
      return {
        discover: (signal = new AbortController().signal) => discovery.discover(signal),
        /** The lines of a level since they were last asked for. */
        taken: (level: string) => {
          const taken = lines.filter((line) => line['level'] === level && line['_aws'] === undefined);
          lines.splice(0);
          return taken;
        },
        errors: () => total('DiscoveryErrors'),
      };
    },
    close: () => closers.close(),
  };
  const awsJson = closers.add(
    await serveAwsJson(taggingOperations(() => [...kinesisVideo.streams(), ...account.resources])),
  );
  const proxy = closers.add(
    await serve(async (request) => {
      const target = request.headers['x-amz-target'];
      const call = {
        operation: target === undefined ? request.path.slice(1) : (String(target).split('.')[1] ?? ''),
        input: JSON.parse(request.body.toString() || '{}'),
      };
      account.calls.push(call);
      const server = target === undefined ? kinesisVideo.url : awsJson.url;
      return account.intercept(call) ?? (await forward(request, server));
    }),
  );
  const api = new KinesisVideo(localClient(proxy.url));
  const tagging = new ResourceGroupsTaggingAPIClient(localClient(proxy.url));
  closers.defer(async () => {
    api.destroy();
    tagging.destroy();
  });
  return account;
}

export type Account = Awaited<ReturnType<typeof startAccount>>;

async function forward({ path, headers, body }: ReceivedRequest, server: string): Promise<Answer> {
  const kept = ['content-type', 'x-amz-target'].flatMap((name) => {
    const value = headers[name];
    return value === undefined ? [] : [[name, String(value)]];
  });
  const answer = await fetch(`${server}${path}`, { method: 'POST', headers: Object.fromEntries(kept), body });
  return {
    status: answer.status,
    headers: Object.fromEntries(answer.headers),
    body: Buffer.from(await answer.arrayBuffer()),
  };
}

export function json(body: unknown): Answer {
  return { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}
