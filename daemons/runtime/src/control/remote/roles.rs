//! What the holder of a certificate may do, by its names.

/// The names of certificates that may do something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::control) struct Roles {
    /// Those that may do everything.
    pub(super) admin: Vec<String>,
    /// Those that may look.
    pub(super) reader: Vec<String>,
}

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::control) enum Role {
    /// Everything.
    Admin,
    /// Look.
    Reader,
}

impl Roles {
    /// Whether nobody may do anything.
    pub(super) fn are_empty(&self) -> bool {
        self.admin.is_empty() && self.reader.is_empty()
    }

    /// The most that any of `names` may do, and the one that may; nothing where none is known.
    pub(super) fn of<'n>(&self, names: &'n [String]) -> Option<(Role, &'n str)> {
        let known = |list: &[String]| names.iter().find(|name| list.contains(name));
        let admin = known(&self.admin).map(|name| (Role::Admin, name.as_str()));
        admin.or_else(|| known(&self.reader).map(|name| (Role::Reader, name.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_that_may_do_most_decides_and_an_unknown_one_may_do_nothing() {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let roles = Roles { admin: list(&["alice"]), reader: list(&["bob", "carol"]) };
        let admin = |name| Some((Role::Admin, name));
        let reader = |name| Some((Role::Reader, name));
        for (names, expected) in [
            (&["alice"][..], admin("alice")),
            (&["bob"], reader("bob")),
            (&["bob", "alice"], admin("alice")),
            (&["Alice"], None),
            (&["alice.example"], None),
            (&[], None),
        ] {
            assert_eq!(roles.of(&list(names)), expected, "{names:?}");
        }
    }
}
