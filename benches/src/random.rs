//! Random numbers that are the same in each run.

/// Marsaglia's xorshift, 64 bits.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// A sequence for each seed.
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// At least 0 and below 1.
    pub fn fraction(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_spread() {
        let mut random = Random::new(1);
        let mut buckets = [0; 4];
        for _ in 0..4000 {
            buckets[(random.fraction() * 4.0) as usize] += 1;
        }
        assert!(buckets.iter().all(|count| (900..1100).contains(count)), "{buckets:?}");
    }
}
