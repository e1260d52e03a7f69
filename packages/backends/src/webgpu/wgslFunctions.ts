/** Functions in WGSL that kernels call where the language's own are too imprecise or not defined. */
export const functions = {
  /** Whole powers by squaring: the language's own has none of negative numbers, and loses digits near 1. */
  power: `fn power(a: f32, b: f32) -> f32 {
  if (b != floor(b) || abs(b) > 65536.0) { return pow(a, b); }
  var result = 1.0;
  var factor = a;
  for (var left = u32(abs(b)); left > 0u; left = left >> 1u) {
    if ((left & 1u) == 1u) { result = result * factor; }
    factor = factor * factor;
  }
  return select(result, 1.0 / result, b < 0.0);
}`,
  /** By exponentials, where float32 has long been ±1 beyond ±10, and by its series near 0, where their difference loses digits. */
  hyperbolicTangent: `fn hyperbolicTangent(a: f32) -> f32 {
  let square = a * a;
  let near = a * (1.0 - square * (0.33333333333 - 0.13333333333 * square));
  let far = 1.0 - 2.0 / (exp(2.0 * clamp(a, -10.0, 10.0)) + 1.0);
  return select(far, near, abs(a) < 0.1);
}`,
  /** An exponential beyond float32 is not every device's infinity. */
  logistic: `fn logistic(a: f32) -> f32 { return 1.0 / (1.0 + exp(min(80.0, -a))); }`,
  /**
   * Sine (quarters 0) or cosine (1), after the Cephes library: a multiple of π/2 is taken off in three parts that are exact for it, then a
   * polynomial. A GPU's own may be off by 2⁻¹¹, and by anything far from zero.
   */
  wave: `fn wave(a: f32, quarters: f32) -> f32 {
  let turns = floor(a * ${2 / Math.PI} + 0.5);
  let rest = a - turns * 1.5703125 - turns * 0.00048375129699707 - turns * 7.54978995489188e-8;
  let square = rest * rest;
  let quarter = turns + quarters - 4.0 * floor((turns + quarters) / 4.0);
  let sine = rest + rest * square * (-0.16666654611 + square * (0.0083321608736 - square * 0.00019515295891));
  let cosine = 1.0 - 0.5 * square + square * square * (0.04166664568298827 - square * (0.001388731625493765 - square * 0.00002443315711809948));
  let value = select(sine, cosine, quarter == 1.0 || quarter == 3.0);
  return select(value, -value, quarter > 1.5);
}`,
  /** Whether a number is neither infinite nor NaN, by its bits: comparisons need not see these. */
  isFinite: `fn isFinite(a: f32) -> bool { return (bitcast<u32>(a) & 0x7f800000u) != 0x7f800000u; }`
} as const
export type FunctionName = keyof typeof functions
