//! Randomness as a parameter: the machine's in `serve`, a seeded one in the simulation, where a seed must reproduce its
//! run.

use std::sync::atomic::{AtomicU64, Ordering};

pub trait Random: Send + Sync {
    fn fill(&self, bytes: &mut [u8]);

    /// A wait between half of `ms` and all of it, so that tickets that failed together do not return together.
    fn jitter_ms(&self, ms: i64) -> i64 {
        let half = ms.max(0) / 2;
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        // The remainder's bias does not matter for a wait.
        let spread = u64::from_le_bytes(bytes) % (ms.max(0) - half + 1).unsigned_abs();
        half + spread.cast_signed()
    }
}

/// The operating system's generator: fit for keys.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    /// # Panics
    /// Panics if the operating system has no randomness: nothing that needs it can go on safely.
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives random bytes");
    }
}

/// SplitMix64 from a seed: repeatable, and never fit for keys.
#[derive(Debug)]
pub struct SeededRandom(AtomicU64);

impl SeededRandom {
    pub fn new(seed: u64) -> SeededRandom {
        SeededRandom(AtomicU64::new(seed))
    }

    fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::SeqCst).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_published_sequence_of_splitmix64() {
        let random = SeededRandom::new(1_234_567);
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn bytes_are_filled_to_the_last_one() {
        let mut bytes = [0; 21];
        SeededRandom::new(7).fill(&mut bytes);
        assert_ne!(bytes[16..], [0; 5]);
        let mut drawn = [0; 32];
        SystemRandom.fill(&mut drawn);
        assert_ne!(drawn, [0; 32]);
    }

    #[test]
    fn jitter_stays_between_half_and_the_whole() {
        let random = SeededRandom::new(1);
        for _ in 0..1_000 {
            assert!((500..=1_000).contains(&random.jitter_ms(1_000)));
        }
        assert_eq!(random.jitter_ms(0), 0);
        assert_eq!(random.jitter_ms(-3), 0);
    }
}
