/** Where the page is: the part of its address after `#`, so that a link works from a server and from the file system. */
import { useEffect, useState } from "preact/hooks"

export interface Route {
  /** "runs", "run", "compare", "artifacts" or "artifact". */
  readonly page: string
  readonly rest: ReadonlyArray<string>
}

const parse = (hash: string): Route => {
  const [page = "", ...rest] = hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent)
  return { page: page === "" ? "runs" : page, rest }
}

export const address = (page: string, ...rest: ReadonlyArray<string>): string =>
  `#/${[page, ...rest].map(encodeURIComponent).join("/")}`

export const useRoute = (): Route => {
  const [route, setRoute] = useState(() => parse(location.hash))
  useEffect(() => {
    const change = () => setRoute(parse(location.hash))
    addEventListener("hashchange", change)
    return () => removeEventListener("hashchange", change)
  }, [])
  return route
}

/** A choice that the browser remembers, where it may: an export from the file system may have no storage. */
export const useChoice = <A>(name: string, initial: A): readonly [A, (value: A) => void] => {
  const key = `trainyard.${name}`
  const [value, setValue] = useState<A>(() => {
    try {
      const kept = localStorage.getItem(key)
      return kept === null ? initial : (JSON.parse(kept) as A)
    } catch {
      return initial
    }
  })
  const set = (next: A) => {
    setValue(next)
    try {
      localStorage.setItem(key, JSON.stringify(next))
    } catch {
      // Kept for this page alone.
    }
  }
  return [value, set]
}
