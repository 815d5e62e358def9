//! Slots in the order of their last use: a doubly linked list kept in one array, so that using,
//! adding and removing a slot cost the same however many there are.

/// Stands for "no slot".
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Link {
    earlier: u32,
    later: u32,
}

/// Slots from the least to the most recently used.
#[derive(Debug)]
pub(super) struct IdleOrder {
    links: Vec<Link>,
    first: u32,
    last: u32,
}

impl IdleOrder {
    pub(super) const fn new() -> Self {
        Self { links: Vec::new(), first: NONE, last: NONE }
    }

    /// The least recently used slot.
    pub(super) fn first(&self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }

    /// Adds a slot that is not in the list, as the most recently used.
    pub(super) fn push(&mut self, slot: u32) {
        let index = slot as usize;
        if index >= self.links.len() {
            self.links.resize(index + 1, Link { earlier: NONE, later: NONE });
        }
        self.links[index] = Link { earlier: self.last, later: NONE };
        match self.last {
            NONE => self.first = slot,
            last => self.links[last as usize].later = slot,
        }
        self.last = slot;
    }

    /// Takes out a slot that is in the list.
    pub(super) fn remove(&mut self, slot: u32) {
        let Link { earlier, later } = self.links[slot as usize];
        match earlier {
            NONE => self.first = later,
            earlier => self.links[earlier as usize].later = later,
        }
        match later {
            NONE => self.last = earlier,
            later => self.links[later as usize].earlier = earlier,
        }
    }

    /// Makes a slot that is in the list the most recently used.
    pub(super) fn touch(&mut self, slot: u32) {
        if self.last != slot {
            self.remove(slot);
            self.push(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::IdleOrder;

    fn drain(order: &mut IdleOrder) -> Vec<u32> {
        std::iter::from_fn(|| order.first().inspect(|&slot| order.remove(slot))).collect()
    }

    #[test]
    fn slots_leave_in_the_order_of_their_last_use() {
        let mut order = IdleOrder::new();
        (0..5).for_each(|slot| order.push(slot));
        order.touch(0);
        order.touch(4);
        order.touch(2);
        order.remove(3);
        assert_eq!(drain(&mut order), [1, 0, 4, 2]);
        assert_eq!(order.first(), None);
    }

    #[test]
    fn a_removed_slot_can_come_back() {
        let mut order = IdleOrder::new();
        order.push(7);
        order.remove(7);
        order.push(3);
        order.push(7);
        assert_eq!(drain(&mut order), [3, 7]);
    }
}
