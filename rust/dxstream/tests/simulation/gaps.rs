//! What is true of gaps, whatever went wrong.

use std::time::Duration;

use dxstream::protocol::{Gap, TypeGap};

/// Each reconnect has a gap, they are told as they end, and their types are those that were told singly.
pub(crate) fn check_gaps(gaps: &[Gap], of_types: &[TypeGap], accepted_at: &[Duration]) {
    for (epoch, at) in accepted_at.iter().enumerate().skip(1) {
        let of_loss = |gap: &&Gap| gap.epoch == epoch as u64 && gap.from < *at;
        assert!(gaps.iter().any(|gap| of_loss(&gap)), "no gap before connection {epoch}: {gaps:?}");
    }
    for pair in gaps.windows(2) {
        assert!(pair[0].epoch <= pair[1].epoch && pair[0].to <= pair[1].to, "{pair:?}");
    }
    for gap in gaps {
        assert!(gap.from <= gap.to, "{gap:?}");
        for of_type in &gap.types {
            assert!(gap.from <= of_type.from && of_type.to <= gap.to, "{gap:?}");
            assert!(of_type.epoch == gap.epoch && of_type.loss == gap.loss, "{gap:?}");
            assert_eq!(of_types.iter().filter(|told| *told == of_type).count(), 1, "{gap:?}");
        }
    }
    assert_eq!(gaps.iter().map(|gap| gap.types.len()).sum::<usize>(), of_types.len());
}
