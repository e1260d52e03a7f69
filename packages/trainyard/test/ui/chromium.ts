/** A Chromium that is already on the machine, driven by playwright-core. */
import { accessSync, constants } from "node:fs"
import { delimiter, join } from "node:path"

const names = ["chromium", "chromium-browser", "google-chrome"]

const isProgram = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** Path of the browser: the one that TRAINYARD_TEST_CHROMIUM names, else the first on the path. Undefined where there is none. */
export const chromium = (): string | undefined => {
  const { PATH = "", TRAINYARD_TEST_CHROMIUM: named } = process.env
  if (named !== undefined) return named
  const folders = [...PATH.split(delimiter), "/usr/bin"]
  return folders.flatMap((folder) => names.map((name) => join(folder, name))).find(isProgram)
}
