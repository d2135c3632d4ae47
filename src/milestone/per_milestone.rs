//! One value for each milestone.

use serde::{Deserialize, Serialize};

use super::Milestone;

const COUNT: usize = Milestone::ALL.len();

/// One value for each milestone. A new milestone has its place in every one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PerMilestone<T>([T; COUNT]);

impl<T> PerMilestone<T> {
    /// Each value by its milestone.
    pub fn new(value: impl FnMut(Milestone) -> T) -> Self {
        Self(Milestone::ALL.map(value))
    }

    /// As [`Self::new`], where a value may fail.
    ///
    /// # Errors
    /// The first that failed.
    pub fn try_new<E>(mut value: impl FnMut(Milestone) -> Result<T, E>) -> Result<Self, E>
    where
        T: Copy + Default,
    {
        let mut all = Self::default();
        for (milestone, slot) in Milestone::ALL.into_iter().zip(&mut all.0) {
            *slot = value(milestone)?;
        }
        Ok(all)
    }

    /// The value of a milestone.
    #[expect(
        clippy::indexing_slicing,
        reason = "the array has a place for every milestone"
    )]
    pub fn of(&self, milestone: Milestone) -> &T {
        &self.0[milestone.place()]
    }

    /// The value of a milestone, to be changed.
    #[expect(
        clippy::indexing_slicing,
        reason = "the array has a place for every milestone"
    )]
    pub fn of_mut(&mut self, milestone: Milestone) -> &mut T {
        &mut self.0[milestone.place()]
    }

    /// The milestones in the order of the process, each with its value.
    pub fn iter(&self) -> impl Iterator<Item = (Milestone, &T)> {
        Milestone::ALL.into_iter().zip(&self.0)
    }

    /// The values in the order of the process.
    pub fn values(&self) -> &[T; COUNT] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_milestone_has_its_own_value() {
        let own = PerMilestone::new(|milestone| milestone);
        for milestone in Milestone::ALL {
            assert_eq!(*own.of(milestone), milestone);
        }
        assert!(own.iter().all(|(milestone, value)| milestone == *value));
    }
}
