//! Numbers as JSON writes them.

/// The largest magnitude up to which every integer is a double.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

/// The integer that a double stands for.
///
/// Beyond 2^53 the double may be the rounded value of another integer, so that there is none.
pub(super) fn whole(value: f64) -> Option<i64> {
    (value.abs() <= MAX_WHOLE && value.fract() == 0.0).then_some(value as i64)
}
