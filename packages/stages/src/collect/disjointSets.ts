/** Sets of documents that are joined one pair at a time (union-find), each named by its smallest member. */
export const disjointSets = (size: number) => {
  const parents = Uint32Array.from({ length: size }, (_, id) => id)
  const find = (id: number): number => {
    let root = id
    while (parents[root] !== root) {
      parents[root] = parents[parents[root]!]!
      root = parents[root]!
    }
    return root
  }
  return {
    find,
    join: (one: number, other: number): void => {
      const [a, b] = [find(one), find(other)]
      parents[Math.max(a, b)] = Math.min(a, b)
    }
  }
}
