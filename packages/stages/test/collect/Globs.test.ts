import { describe, expect, it } from "vitest"
import * as Globs from "../../src/collect/Globs.ts"

const taken = (patterns: Globs.Patterns, ...paths: ReadonlyArray<string>): ReadonlyArray<string> => {
  const { matches } = Globs.make(patterns)
  return paths.filter(matches)
}

describe("globs", () => {
  it("match endings whatever their case, and everything else as it is written", () => {
    const paths = ["a.c", "A.C", "src/B.H", "src/b.h", "Src/c.Cpp", "README", "readme", "x.tar.GZ"]
    expect(taken({ include: ["**/*.{c,h}"] }, ...paths)).toEqual(["a.c", "A.C", "src/B.H", "src/b.h"])
    expect(taken({ include: ["**/*.[CH]"] }, ...paths)).toEqual(["a.c", "A.C", "src/B.H", "src/b.h"])
    expect(taken({ include: ["{src/*.H,**/*.CPP}"] }, ...paths)).toEqual(["src/B.H", "src/b.h", "Src/c.Cpp"])
    expect(taken({ include: ["README", "*.tar.gz"] }, ...paths)).toEqual(["README", "x.tar.GZ"])
    expect(taken({ include: ["src/**"] }, ...paths)).toEqual(["src/B.H", "src/b.h"])
    expect(taken({ exclude: ["**/*.H", "**/*.cpp", "*.gz"] }, ...paths)).toEqual([
      "a.c",
      "A.C",
      "README",
      "readme"
    ])
    const exact = { caseSensitiveEndings: true }
    expect(taken({ ...exact, include: ["**/*.{c,h}"] }, ...paths)).toEqual(["a.c", "src/b.h"])
    expect(taken({ ...exact, exclude: ["**/*.C"] }, "a.c", "A.C")).toEqual(["a.c"])
  })

  it("name the folders that need not be walked", () => {
    const globs = Globs.make({ exclude: ["**/third_party/**", "old/**/*", "docs/*.md", "b{1,2}/**"] })
    const folders = ["third_party", "a/b/third_party", "old", "docs", "b1", "b3", "third_party2"]
    expect(folders.filter(globs.excludesFolder)).toEqual(["third_party", "a/b/third_party", "old", "b1"])
    expect(Globs.make({ exclude: ["**"] }).excludesFolder("any/thing")).toBe(true)
    expect(Globs.make({ exclude: ["**/*"] }).excludesFolder("any")).toBe(true)
    expect(Globs.make({}).excludesFolder("any")).toBe(false)
  })

  it("tell which took nothing, and what they may have meant", () => {
    const globs = Globs.make({
      include: ["**/*.c", "Lib/**", "nowhere/*.c"],
      exclude: ["vendor", "/build/**", "gone/**", "seen/**"]
    })
    for (const path of ["a.c", "lib/b.c", "vendor/v.c", "build/x.c"]) globs.matches(path)
    globs.excludesFolder("seen")
    expect(globs.unmatched()).toEqual([
      { setting: "include", glob: "Lib/**", near: "lib/b.c" },
      { setting: "include", glob: "nowhere/*.c", near: undefined },
      { setting: "exclude", glob: "vendor", near: "vendor/v.c" },
      { setting: "exclude", glob: "/build/**", near: "build/x.c" },
      { setting: "exclude", glob: "gone/**", near: undefined }
    ])
  })
})
