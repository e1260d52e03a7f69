import { readFileSync } from "node:fs"
import { assert, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { collect } from "../../src/collect/collect.ts"
import * as Source from "../../src/collect/Source.ts"
import * as Running from "../runStage.ts"
import { folderOf, jsonLines } from "./folders.ts"

const texts = Schema.decodeSync(
  Schema.fromJsonString(Schema.Record(Schema.String, Schema.Struct({ licenseText: Schema.String })))
)(readFileSync(new URL(import.meta.resolve("spdx-license-list/spdx-full.json")), "utf8"))
const licenceText = (name: string): string => texts[name]!.licenseText

layer(Running.layer)("licences of folders", (it) => {
  it.effect("finds each document's licence by the nearest folder that states one", () =>
    Effect.gen(function* () {
      const copyright = "Copyright (c) 2019 Somebody Else\n\n"
      const root = yield* folderOf({
        LICENSE: `MIT License\n\n${copyright}${licenceText("MIT")}`,
        "a.c": "int a;\n",
        "deps/zip/COPYING.txt": `${copyright}${licenceText("BSD-2-Clause")}`,
        "deps/zip/src/b.c": "int b;\n",
        "deps/dual/LICENSE-MIT": licenceText("MIT"),
        "deps/dual/LICENSE-APACHE": licenceText("Apache-2.0"),
        "deps/dual/Cargo.toml": '[package]\nlicense = "MIT OR Apache-2.0"\n',
        "deps/dual/c.c": "int c;\n",
        "deps/both/LICENSE": `${licenceText("Zlib")}\n\nParts of this:\n\n${licenceText("ISC")}`,
        "deps/both/d.c": "int d;\n",
        "deps/own/LICENSE": "You may look at this on Sundays.\n",
        "deps/own/e.c": "int e;\n",
        "deps/own/f.c":
          "/* This program is free software; you can redistribute it and/or modify\n * it under the terms of the GNU General Public License as published by the\n * Free Software Foundation; either version 2 of the\n * License, or (at your option) any later version. */\nint f;\n",
        "tools/package.json": '{"license":"ISC"}',
        "tools/g.c": "int g;\n"
      })
      const sources = [Source.folder(root, { include: ["**/*.c"] })]
      const { artifact } = yield* Running.runStage(collect({ sources }))
      const documents = yield* jsonLines(artifact.directory, "documents.jsonl")
      assert.deepStrictEqual(Object.fromEntries(documents.map(({ licence, path }) => [path, licence])), {
        "a.c": "MIT",
        "deps/zip/src/b.c": "BSD-2-Clause",
        "deps/dual/c.c": "MIT OR Apache-2.0",
        "deps/both/d.c": "ISC AND Zlib",
        "deps/own/e.c": null,
        "deps/own/f.c": "GPL-2.0-or-later",
        "tools/g.c": "ISC"
      })
    })
  )
})
