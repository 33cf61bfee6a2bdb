//! The sharing methods, for tests of all of them.

/// One of each sharing method that networks of basic blocks have, and the size of an image.
pub const METHODS: &[(&str, usize)] = &[
    ("cifar10/resnet20-lowrank4", 16),
    ("cifar10/resnet20-tied", 16),
    ("cifar10/resnet20-templates2", 16),
    ("cifar10/resnet20-tied-pairs-all", 16),
    ("cifar10/resnet20-tai5-all", 16),
    ("cifar10/resnet20-tucker6-all", 16),
    ("cifar10/resnet20-jointsvd7-double-all", 16),
    ("cifar10/resnet20-filterbasis24x16", 16),
    ("cifar10/resnet20-filterbasis24-all", 16),
    ("cifar10/resnet20-width9", 16),
    ("cifar10/resnet20-hinge48888", 16),
    ("cifar10/resnet20-hashed48888-all", 16),
    ("cifar10/resnet20-ring48888", 16),
    ("cifar10/resnet20-hypernet8", 16),
    ("cifar10/resnet20-tbasis6r8-all", 16),
    ("cifar10/resnet20-alf48888", 16),
];
