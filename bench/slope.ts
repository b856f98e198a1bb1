/** Least squares: how much `values` grow for each unit of `times`. 0 of fewer than two. */
export function slopeOf(times: number[], values: number[]): number {
  const count = times.length
  if (count < 2) return 0
  const mean = (all: number[]) => all.reduce((sum, one) => sum + one, 0) / count
  const [time, value] = [mean(times), mean(values)]
  let above = 0
  let below = 0
  for (const [index, at] of times.entries()) {
    above += (at - time) * ((values[index] ?? value) - value)
    below += (at - time) ** 2
  }
  return below === 0 ? 0 : above / below
}
