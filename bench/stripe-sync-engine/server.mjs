// As the README of @supabase/stripe-sync-engine shows: migrations, then `processWebhook(payload, signature)` for each delivery, which is
// acknowledged when it is done. The event's own object is stored; Stripe is not asked.
import http from 'node:http'
import { createRequire } from 'node:module'

// By `require`: as an ECMAScript module its migrations do not find their folder (0.48.5).
const { StripeSync, runMigrations } = createRequire(import.meta.url)('@supabase/stripe-sync-engine')

const [port, databaseUrl, stripeWebhookSecret] = process.argv.slice(2)
await runMigrations({ databaseUrl, schema: 'stripe' })
const sync = new StripeSync({
  poolConfig: { connectionString: databaseUrl, max: 10 },
  schema: 'stripe',
  stripeSecretKey: 'sk_test_of_a_measurement',
  stripeWebhookSecret,
})

http
  .createServer(async (request, response) => {
    const parts = []
    for await (const part of request) parts.push(part)
    try {
      await sync.processWebhook(Buffer.concat(parts), request.headers['stripe-signature'])
      response.writeHead(200).end()
    } catch (error) {
      console.error(error)
      response.writeHead(500).end()
    }
  })
  .listen(Number(port), '127.0.0.1')
