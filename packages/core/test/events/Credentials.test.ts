import { assert, describe, it } from "@effect/vitest"
import { carriesCredentials, withoutCredentials } from "../../src/events/Credentials.ts"

describe("credentials in addresses", () => {
  it("are taken out of any text", () => {
    for (const [text, clean] of [
      ["https://oauth2:MARKER@example.com/x.git", "https://***@example.com/x.git"],
      ["https://MARKER@example.com/x.git", "https://***@example.com/x.git"],
      ["HTTPS://me:MARKER@example.com", "HTTPS://***@example.com"],
      ["http://me:MA@RKER@127.0.0.1:80/x", "http://***@127.0.0.1:80/x"],
      ["http://me:MA/RKER@127.0.0.1:80/x", "http://***@127.0.0.1:80/x"],
      ["ssh://git:MARKER@example.com/x", "ssh://***@example.com/x"],
      [
        "fatal: unable to access 'https://a:MARKER@b.c/': no, and http://x:MARKER@y/z",
        "fatal: unable to access 'https://***@b.c/': no, and http://***@y/z"
      ],
      ['{"repository":"https://a:MARKER@b.c/d"}', '{"repository":"https://***@b.c/d"}'],
      ["https://b.c/d.git?private_token=MARKER&x=1", "https://b.c/d.git?private_token=***&x=1"],
      ["https://b.c/d?x=1&sig=MARKER", "https://b.c/d?x=1&sig=***"]
    ] as const) {
      assert.strictEqual(withoutCredentials(text), clean)
      assert.isTrue(carriesCredentials(text))
      // What is clean stays as it is.
      assert.isFalse(carriesCredentials(clean))
    }
  })

  it("are looked for in any length of text in no time", () => {
    const started = performance.now()
    for (const piece of ["a.", "a:", "://", "http://a:", "?token", "&a", "http://a@"]) {
      withoutCredentials(`@ ${piece.repeat(50_000)}`)
    }
    assert.isBelow(performance.now() - started, 5000)
  })

  it("are not seen where there are none", () => {
    for (const text of [
      "https://example.com/x.git",
      "https://example.com:8443/a@b/c:d@e",
      "ssh://git@example.com:22/x.git",
      "git@example.com:x/y.git",
      "git+ssh://git@example.com/x",
      "/home/me@work/x",
      "file:///home/me@work/x",
      "npm:@scope/name@1.0.0",
      "see https://example.com/a, and write to a@b.c",
      "https://example.com/x?keyword=a&page=2"
    ]) {
      assert.strictEqual(withoutCredentials(text), text)
      assert.isFalse(carriesCredentials(text))
    }
  })
})
