// Runs the published audits of `graphql-http` and a real `graphql-ws` client against a server.
//
//   node graphql-http.mjs http://127.0.0.1:8080/graphql [--subscription 'subscription { … }'] [--token TOKEN]
//
// Every audit has to pass, the MAY ones too. The client introspects the schema over the socket, sends a query, a
// document that is not valid, and, if one is named, a subscription of which it awaits the first event. Ends with 1 if
// anything failed.

import { parseArgs } from 'node:util';
import { auditServer } from 'graphql-http';
import { createClient } from 'graphql-ws';
import { buildClientSchema, getIntrospectionQuery } from 'graphql';
import WebSocket from 'ws';

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { subscription: { type: 'string' }, token: { type: 'string' } },
});
const url = positionals[0];
if (!url) {
  console.error('usage: node graphql-http.mjs URL [--subscription DOCUMENT] [--token TOKEN]');
  process.exit(2);
}

let failures = 0;

async function audits() {
  const counts = new Map();
  for (const result of await auditServer({ url })) {
    const level = /^(MUST|SHOULD|MAY)/.exec(result.name)?.[0] ?? 'OTHER';
    const count = counts.get(level) ?? { passed: 0, all: 0 };
    count.all += 1;
    if (result.status === 'ok') {
      count.passed += 1;
    } else {
      failures += 1;
      console.error(`not ok ${result.id} ${result.name}: ${result.reason}`);
    }
    counts.set(level, count);
  }
  for (const [level, { passed, all }] of counts) {
    console.log(`audits ${level}: ${passed} of ${all}`);
  }
}

async function check(name, test) {
  try {
    await test();
    console.log(`ok ${name}`);
  } catch (error) {
    failures += 1;
    console.error(`not ok ${name}: ${error?.message || `closed with ${error?.code} ${error?.reason}`}`);
  }
}

function expect(condition, message) {
  if (!condition) throw new Error(message);
}

function within(promise, milliseconds = 10_000) {
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('nothing came in time')), milliseconds);
  });
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
}

async function socket() {
  let closed;
  const client = createClient({
    url: url.replace(/^http/, 'ws'),
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    connectionParams: values.token ? { authorization: `Bearer ${values.token}` } : undefined,
    on: { closed: (event) => (closed = event) },
  });
  const first = async (query) => {
    const events = client.iterate({ query });
    const { value } = await within(events.next());
    await events.return?.();
    return value;
  };
  await check('graphql-ws: a query', async () => {
    const answer = await first('{ __typename }');
    expect(answer.data?.__typename, JSON.stringify(answer));
  });
  await check('graphql-ws: the schema', async () => {
    const answer = await first(getIntrospectionQuery({ inputValueDeprecation: true, specifiedByUrl: true }));
    const schema = buildClientSchema(answer.data);
    expect(schema.getQueryType(), 'the schema has no queries');
  });
  await check('graphql-ws: a document that is not valid', async () => {
    const errors = await within(
      first('{ thisFieldIsNotThere }').then(
        (answer) => Promise.reject(new Error(`answered ${JSON.stringify(answer)}`)),
        (errors) => errors,
      ),
    );
    expect(Array.isArray(errors) && errors[0].extensions?.code, String(errors));
  });
  if (values.subscription) {
    await check('graphql-ws: a subscription', async () => {
      const answer = await first(values.subscription);
      expect(answer.data, JSON.stringify(answer));
    });
  }
  await check('graphql-ws: one socket for all of it, closed in peace', async () => {
    expect(closed === undefined || closed.code === 1000, `closed with ${closed?.code} ${closed?.reason}`);
    await client.dispose();
  });
}

async function subprotocol() {
  await check('a socket without our subprotocol is closed with 4406', async () => {
    const code = await within(
      new Promise((resolve, reject) => {
        const other = new WebSocket(url.replace(/^http/, 'ws'));
        other.on('close', resolve);
        other.on('error', reject);
      }),
    );
    expect(code === 4406, `closed with ${code}`);
  });
}

await audits();
await socket();
await subprotocol();
console.log(failures === 0 ? 'all passed' : `${failures} failed`);
process.exit(failures === 0 ? 0 : 1);
