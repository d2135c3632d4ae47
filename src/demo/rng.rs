//! The generator's own random numbers: splitmix64, integers only.
//!
//! The demo data must be the same, byte for byte, on every machine and after every update of a library, so chance comes
//! from these few lines and from nothing else. Each facility has streams of its own, derived from its place in the
//! plan: adding a draw for one of them moves none of the others.

/// The seed of everything. Another number is another nation.
const SEED: u64 = 0x4B41_4954_5355_2020;
/// The step of splitmix64.
const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub(super) struct Rng(u64);

impl Rng {
    /// The stream of a purpose, told apart by a few numbers.
    pub(super) fn stream(labels: &[u64]) -> Self {
        Self(labels.iter().fold(SEED, |state, label| {
            mix(state ^ mix(label.wrapping_add(GAMMA)))
        }))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GAMMA);
        mix(self.0)
    }

    /// A number below `bound`; 0 if `bound` is 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(bound);
        // The upper half of a product of two u64 always fits.
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: u32, high: u32) -> u32 {
        let choices = u64::from(high.saturating_sub(low)) + 1;
        low + u32::try_from(self.below(choices)).unwrap_or(0)
    }

    /// Whether something happens that does so many times in a thousand.
    pub(super) fn per_mille(&mut self, chance: u64) -> bool {
        self.below(1000) < chance
    }

    /// One of several, each as likely.
    #[expect(
        clippy::indexing_slicing,
        reason = "a number below N is a place in an array of N"
    )]
    pub(super) fn pick<'a, T, const N: usize>(&mut self, from: &'a [T; N]) -> &'a T {
        const { assert!(N > 0) };
        &from[self.place(N)]
    }

    /// Puts a list into random order.
    pub(super) fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.place(last + 1));
        }
    }

    /// A place in a list of `len`.
    fn place(&mut self, len: usize) -> usize {
        let bound = u64::try_from(len).unwrap_or(u64::MAX);
        usize::try_from(self.below(bound)).unwrap_or(0)
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_splitmix64_as_published() {
        // First outputs for the state 1234567, from the reference implementation.
        let mut rng = Rng(1_234_567);
        let first: [u64; 3] = [rng.next(), rng.next(), rng.next()];
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn streams_with_other_labels_differ_in_order_too() {
        let first = |labels: &[u64]| Rng::stream(labels).next();
        assert_eq!(first(&[1, 2]), first(&[1, 2]));
        assert_ne!(first(&[1, 2]), first(&[2, 1]));
        assert_ne!(first(&[1]), first(&[1, 0]));
    }

    #[test]
    fn numbers_stay_in_their_bounds_and_reach_them() {
        let mut rng = Rng::stream(&[7]);
        let drawn: Vec<u32> = (0..1000).map(|_| rng.between(3, 5)).collect();
        assert!(drawn.iter().all(|n| (3..=5).contains(n)));
        assert!([3, 4, 5].iter().all(|n| drawn.contains(n)));
        assert_eq!(rng.below(0), 0);
    }

    #[test]
    fn shuffling_keeps_every_element() {
        let mut list: Vec<u32> = (0..100).collect();
        Rng::stream(&[8]).shuffle(&mut list);
        assert_ne!(list, (0..100).collect::<Vec<_>>());
        list.sort_unstable();
        assert_eq!(list, (0..100).collect::<Vec<_>>());
    }
}
