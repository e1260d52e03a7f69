import { assert, describe, it } from "@effect/vitest"
import { withoutDriver } from "../src/vulkan.ts"

describe("a system without a Vulkan driver", () => {
  it("is told what an NVIDIA GPU lacks where it has one", () => {
    assert.match(withoutDriver(true), /NVIDIA GPU.*NVIDIA_DRIVER_CAPABILITIES=all/)
    assert.notMatch(withoutDriver(false), /NVIDIA/)
  })
})
