//! Random numbers that are the same on every platform for the same seed.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::Rng;

/// One stream of random numbers.
#[derive(Debug, Clone)]
pub(crate) struct Random(Pcg64Mcg);

/// A number made from two others, such that neighbouring inputs give unrelated outputs.
///
/// The finalizer of SplitMix64 (Steele, Lea and Flood 2014).
pub(crate) const fn mix(a: u64, b: u64) -> u64 {
    let mut z = a ^ b.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Random {
    /// The stream with this seed and number.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let low = mix(seed, stream);
        Self(Pcg64Mcg::new(u128::from(mix(low, 1)) << 64 | u128::from(low)))
    }

    /// Uniform over [0, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    /// Uniform over the whole numbers below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// Exponential with mean 1.
    pub(crate) fn exponential(&mut self) -> f64 {
        -libm::log(1.0 - self.uniform())
    }

    /// Standard normal, by the Box-Muller transform.
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (2.0 * self.exponential()).sqrt();
        radius * libm::cos(std::f64::consts::TAU * self.uniform())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut random = Random::new(1, 2);
        let count = 50_000;
        let (mut mean, mut square, mut exponential, mut below) = (0.0, 0.0, 0.0, 0);
        for _ in 0..count {
            let normal = random.normal();
            mean += normal;
            square += normal * normal;
            exponential += random.exponential();
            below += random.below(10);
        }
        let count = f64::from(count);
        assert!((mean / count).abs() < 0.02);
        assert!((square / count - 1.0).abs() < 0.03);
        assert!((exponential / count - 1.0).abs() < 0.03);
        assert!((below as f64 / count - 4.5).abs() < 0.05);
    }

    #[test]
    fn streams_repeat_and_differ() {
        let take = |stream| {
            let mut random = Random::new(7, stream);
            [random.below(1 << 40), random.below(1 << 40)]
        };
        assert_eq!(take(1), take(1));
        assert_ne!(take(1), take(2));
    }
}
