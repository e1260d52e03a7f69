/** For each state, whether a predicate of it holds; asked once. */
export const perState = (test: (state: number) => boolean) => {
  const known = new Map<number, boolean>()
  return (state: number): boolean => {
    let value = known.get(state)
    if (value === undefined) {
      value = test(state)
      known.set(state, value)
    }
    return value
  }
}
