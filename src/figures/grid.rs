//! A grid of counts by kind × prefecture, and the bytes in which it is stored: only cells that are not
//! zero, each as the distance from the last cell and four signed numbers, all as variable-length
//! integers. The whole nation takes about 1.5 kB.

use super::{Cell, Counts};
use crate::facility::{FacilityKind, Prefecture};

const PREFECTURES: usize = 47;
const CELLS: usize = 4 * PREFECTURES;

/// Counts by kind × prefecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid(Vec<Counts>);

impl Default for Grid {
    fn default() -> Self {
        Self(vec![Counts::ZERO; CELLS])
    }
}

impl Grid {
    /// Adds counts to a cell's kind and prefecture.
    pub fn add(&mut self, kind: FacilityKind, prefecture: Prefecture, counts: Counts) {
        if let Some(slot) = index(kind, prefecture).and_then(|index| self.0.get_mut(index)) {
            *slot += counts;
        }
    }

    /// The counts of a kind and prefecture.
    pub fn at(&self, kind: FacilityKind, prefecture: Prefecture) -> Counts {
        let counts = index(kind, prefecture).and_then(|index| self.0.get(index));
        counts.copied().unwrap_or(Counts::ZERO)
    }

    /// Adds another grid, cell by cell.
    pub fn add_grid(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine += *theirs;
        }
    }

    /// Takes another grid away, cell by cell.
    pub fn subtract_grid(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine -= *theirs;
        }
    }

    /// Every kind and prefecture in which anything is counted, in order of kind, then prefecture.
    pub fn iter(&self) -> impl Iterator<Item = (FacilityKind, Prefecture, Counts)> + '_ {
        FacilityKind::ALL
            .into_iter()
            .flat_map(|kind| Prefecture::all().map(move |prefecture| (kind, prefecture)))
            .zip(&self.0)
            .map(|((kind, prefecture), &counts)| (kind, prefecture, counts))
            .filter(|(_, _, counts)| !counts.is_zero())
    }

    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        let mut last = 0;
        for (index, counts) in self.0.iter().enumerate().filter(|(_, c)| !c.is_zero()) {
            put(&mut bytes, u64::try_from(index - last).unwrap_or(0));
            last = index;
            for count in [counts.all, counts.applied, counts.ready, counts.live] {
                put(&mut bytes, zigzag(count));
            }
        }
        bytes
    }

    /// Adds a stored grid to this one. `None` if the bytes are not one.
    pub fn add_encoded(&mut self, bytes: &[u8]) -> Option<()> {
        let mut rest = bytes;
        let mut index = 0;
        while !rest.is_empty() {
            index += usize::try_from(take(&mut rest)?).ok()?;
            let slot = self.0.get_mut(index)?;
            slot.all += unzigzag(take(&mut rest)?);
            slot.applied += unzigzag(take(&mut rest)?);
            slot.ready += unzigzag(take(&mut rest)?);
            slot.live += unzigzag(take(&mut rest)?);
        }
        Some(())
    }

    /// Adds what a change brought to a cell.
    pub fn add_cell(&mut self, cell: &Cell, counts: Counts) {
        self.add(cell.kind, cell.prefecture, counts);
    }
}

fn index(kind: FacilityKind, prefecture: Prefecture) -> Option<usize> {
    let kind = usize::try_from(kind.code()).ok()?;
    let prefecture = usize::from(prefecture.number()).checked_sub(1)?;
    Some(kind * PREFECTURES + prefecture)
}

fn zigzag(value: i64) -> u64 {
    (value << 1).cast_unsigned() ^ (value >> 63).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(u8::try_from(value & 0x7f).unwrap_or(0) | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap_or(0));
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_stored_grid_reads_back_as_it_was(cells in proptest::collection::vec((0..4_i16, 1..=47_u8, any::<[i32; 4]>()), 0..200)) {
            let mut grid = Grid::default();
            for (kind, prefecture, [all, applied, ready, live]) in cells {
                let counts = Counts { all: all.into(), applied: applied.into(), ready: ready.into(), live: live.into() };
                grid.add(FacilityKind::from_code(kind).unwrap(), Prefecture::from_number(prefecture).unwrap(), counts);
            }
            let mut read = Grid::default();
            prop_assert_eq!(read.add_encoded(&grid.encode()), Some(()));
            prop_assert_eq!(read, grid);
        }

        #[test]
        fn bytes_that_are_no_grid_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Grid::default().add_encoded(&bytes[..bytes.len().min(16)]);
        }
    }
}
