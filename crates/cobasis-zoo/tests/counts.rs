//! Parameters and multiply-accumulates of every network that the authors' code was measured on,
//! and closed forms for those it was not.

use burn::tensor::Device;
use cobasis_zoo::sharing::Ranks;
use cobasis_zoo::{ModelConfig, ModelName, Sharing};

/// Name, trainable parameters, multiply-accumulates: measured with the authors' code.
const MEASURED: &[(&str, u64, u64)] = &[
    ("cifar10/resnet20", 269_722, 40_551_040),
    ("cifar10/resnet32", 464_154, 68_862_592),
    ("cifar10/resnet44", 658_586, 97_174_144),
    ("cifar10/resnet56", 853_018, 125_485_696),
    ("cifar10/resnet110", 1_727_962, 252_887_680),
    ("cifar10/resnet32-s16u1", 197_258, 79_086_208),
    ("cifar10/resnet32-s8u1-double", 174_858, 47_628_928),
    ("cifar10/resnet32-s16u1-double", 245_642, 79_086_208),
    ("cifar10/resnet32-s16u0-double", 218_650, 75_154_048),
    ("cifar10/resnet32-s0u16", 508_954, 75_154_048),
    ("cifar10/resnet56-s16u1", 270_842, 145_932_928),
    ("cifar10/resnet56-s8u1-double", 226_042, 83_018_368),
    ("cifar10/resnet56-s16u1-double", 319_226, 145_932_928),
    ("cifar10/resnet56-s24u1-double", 412_410, 208_847_488),
    ("cifar10/resnet56-s16u0-double", 265_242, 138_068_608),
    ("cifar10/resnet56-s0u16", 942_618, 138_068_608),
    ("cifar100/resnet18", 11_220_132, 555_468_800),
    ("cifar100/resnet34", 21_328_292, 1_159_448_576),
    ("cifar100/resnet34-s8u1", 5_865_428, 395_036_672),
    ("cifar100/resnet34-s16u1", 6_485_844, 520_865_792),
    ("cifar100/resnet34-s32u1", 7_726_676, 772_524_032),
    ("cifar100/resnet34-s16u0", 6_201_508, 505_137_152),
    ("cifar100/resnet34-s32u0", 7_442_340, 756_795_392),
    ("cifar100/resnet34-s0u16", 9_510_052, 505_137_152),
    ("cifar100/resnet34-s0u32", 14_059_428, 756_795_392),
    ("cifar100/mobilenet-v2", 2_428_004, 67_356_736),
    ("cifar100/mobilenet-v2-shared", 2_163_812, 67_356_736),
    ("cifar100/mobilenet-v2-shared++", 1_899_620, 67_356_736),
    ("cifar100/resnext50-32x4d", 23_177_124, 1_344_151_552),
    ("cifar100/resnext50-32x4d-s64u4", 19_333_380, 1_179_000_832),
    ("cifar100/resnext50-32x4d-s32u4", 17_511_940, 1_078_337_536),
    ("cifar100/resnext50-32x4d-s16u4", 16_601_220, 1_028_005_888),
    ("cifar100/resnext50-32x4d-s128u4", 22_976_260, 1_380_327_424),
    ("cifar100/densenet121", 7_048_548, 888_442_880),
    ("cifar100/densenet169", 12_643_172, 1_059_949_056),
    ("cifar100/densenet201", 18_277_220, 1_364_061_696),
    ("cifar100/densenet161", 26_681_188, 2_467_749_504),
    ("cifar100/densenet121-s16u1", 5_084_504, 704_212_992),
    ("cifar100/densenet121-s32u1", 5_189_784, 912_748_544),
    ("cifar100/densenet121-s64u1", 5_400_344, 1_329_819_648),
    ("cifar100/densenet121-s64u4", 5_606_708, 1_368_920_064),
    ("imagenet/resnet18", 11_689_512, 1_814_073_344),
    ("imagenet/resnet34", 21_797_672, 3_663_761_408),
    ("imagenet/resnet50", 25_557_032, 4_089_184_256),
    ("imagenet/resnet101", 44_549_160, 7_801_405_440),
    ("imagenet/resnet34-s32u1", 8_196_056, 2_478_804_992),
    ("imagenet/resnet34-s32u1-double", 9_762_776, 2_478_804_992),
    ("imagenet/resnet34-s48u1-double", 11_786_968, 3_249_508_352),
    ("imagenet/resnet50-shared++", 18_262_056, 4_089_184_256),
    ("imagenet/resnet50-shared", 20_506_664, 4_089_184_256),
    ("imagenet/resnet101-shared++", 22_770_728, 7_801_405_440),
    ("imagenet/resnet101-shared", 29_471_784, 7_801_405_440),
    ("imagenet/mobilenet-v2", 3_507_272, 313_619_328),
    ("imagenet/mobilenet-v2-shared", 3_243_080, 313_619_328),
    ("imagenet/mobilenet-v2-shared++-eca", 2_978_905, 313_619_328),
];

fn config(name: &str) -> ModelConfig {
    ModelConfig::new(name.parse().expect("a name"))
}

#[test]
fn counts_are_those_of_the_authors_code() {
    let device = Device::flex();
    for &(name, params, macs) in MEASURED {
        let config = config(name);
        let [_, height, width] = config.name.entry().input;
        let total = config.cost([height, width], &device).total();
        assert_eq!((total.params, total.macs), (params, macs), "{name}");
    }
}

#[test]
fn modules_hold_what_the_table_says() {
    let device = Device::flex();
    let small = |name: &str| name.starts_with("cifar10/") || name.contains("mobilenet");
    for &(name, params, _) in MEASURED.iter().filter(|(name, _, _)| small(name)) {
        let model = config(name).init(&device);
        assert_eq!(model.parameters().trainable, params, "{name}");
    }
}

/// Parameters of a CIFAR-10 network by hand: paper.md's closed form.
fn closed_form(blocks: u64, ranks: Option<Ranks>, all: bool) -> u64 {
    let stem_and_head = 432 + 32 + 650;
    let at = |rank: cobasis_zoo::sharing::Rank, stage: usize| rank.at(stage, 1 << stage) as u64;
    let stages = (0..3).map(|stage| {
        let scale = 1u64 << stage;
        let p = 16 * scale;
        let p_in = if stage == 0 { p } else { p / 2 };
        let dense_first = 9 * p_in * p + 9 * p * p + 4 * p;
        let (first, rest) = match ranks {
            None => (dense_first, 18 * p * p + 4 * p),
            Some(Ranks { shared, unique, .. }) => {
                let (s, u) = (at(shared, stage), at(unique, stage));
                let on_basis = 9 * p * u + 2 * (s + u) + p * (s + u);
                let own = (s + u).min(9 * p_in).min(p);
                let widening = 9 * p_in * own + 2 * own + p * own;
                let first = match (all, stage) {
                    (false, _) => dense_first,
                    (true, 0) => 2 * on_basis + 4 * p,
                    (true, _) => widening + on_basis + 4 * p,
                };
                (first, 2 * on_basis + 4 * p)
            }
        };
        let bases = ranks
            .map_or(0, |ranks| (1 + u64::from(ranks.double)) * 9 * p * at(ranks.shared, stage));
        first + (blocks - 1) * rest + bases
    });
    stem_and_head + stages.sum::<u64>()
}

#[test]
fn other_ranks_follow_the_closed_form() {
    let device = Device::flex();
    for (network, blocks) in [("resnet20", 3), ("resnet44", 7), ("resnet110", 18)] {
        let suffixes = [
            "",
            "-s5u3",
            "-s12u0",
            "-s0u7",
            "-s3u2-double",
            "-s24u1-double",
            "-s12,24,40u1,2,3",
            "-s16u1-all",
            "-s160u1-all",
            "-s0u7-all",
            "-s5,9,20u1-double-all",
        ];
        for suffix in suffixes {
            let name: ModelName = format!("cifar10/{network}{suffix}").parse().expect("a name");
            let params = ModelConfig::new(name.clone()).cost([32, 32], &device).total().params;
            let ranks = name.sharing().map(|sharing| match sharing {
                Sharing::Ranks(ranks) => ranks,
                other => panic!("{name} has ranks, not {other:?}"),
            });
            assert_eq!(params, closed_form(blocks, ranks, suffix.ends_with("-all")), "{name}");
        }
    }
}

/// Settings of other methods at the budget of `-s8u1`: `sharing-methods.md` §1.3, computed apart from
/// this code.
#[test]
fn other_methods_have_the_counts_of_their_formulas() {
    for (suffix, params, macs) in [
        ("-lowrank3,5,11", 150_042, 23_050_000),
        ("-s0u3,5,11", 150_346, 23_050_000),
        ("-tied", 125_466, 68_862_592),
        ("-templates4,3,1", 150_874, 68_862_592),
        ("-width9", 147_691, 21_900_000),
        ("-width8", 116_882, 17_326_400),
        ("-width10", 182_100, 27_003_280),
        ("-tied-double", 173_850, 68_862_592),
        ("-tied-second", 319_002, 68_862_592),
        ("-tai5,9,18", 150_042, 23_250_000),
        ("-tucker5,10,22", 149_858, 22_220_000),
        ("-jointsvd7,15,29-double", 150_522, 29_340_000),
        ("-filterbasis24x16", 151_962, 71_220_000),
        // In training: 8 × (4 × 16 × 16 and so on) more than the dense network.
        ("-hinge73584", 507_162, 75_154_048),
        ("-hypernet64", 163_754, 68_862_592),
        ("-hypernet32", 104_106, 68_862_592),
        // And the autoencoders: 8 × (2 × 16 × 16 + 16 and so on).
        ("-alf73584", 594_074, 75_154_048),
    ] {
        let name = format!("cifar10/resnet32{suffix}");
        let total = config(&name).cost([32, 32], &Device::flex()).total();
        assert_eq!(total.params, params, "{name}");
        assert!(total.macs.abs_diff(macs) <= 5_000, "{name}: {}", total.macs);
    }
}

/// Methods that keep a number of numbers have the budget exactly: the rest of a network is its dense
/// parent's.
#[test]
fn numbers_of_hashed_and_ring_networks_are_the_budget() {
    for (network, numbers, budget, macs) in [
        ("resnet20", 48_888, 125_074, 40_551_040),
        ("resnet32", 73_584, 150_666, 68_862_592),
        ("resnet32", 120_176, 197_258, 68_862_592),
        ("resnet56", 122_976, 201_850, 125_485_696),
    ] {
        for method in ["hashed", "ring"] {
            let config = config(&format!("cifar10/{network}-{method}{numbers}"));
            let total = config.cost([32, 32], &Device::flex()).total();
            assert_eq!((total.params, total.macs), (budget, macs), "{}", config.name);
        }
    }
    // All blocks: the stem, the norms, the classifier and the numbers.
    let all = config("cifar10/resnet32-hashed1000-all").cost([32, 32], &Device::flex());
    assert_eq!(all.total().params, 464_154 - 460_800 + 1000);
    // Twelve layers of 193,536 weights: places of 16 bits and signs, and a factor for each.
    let table = config("cifar10/resnet20-ring48888").cost([32, 32], &Device::flex());
    assert_eq!(table.composition().index_bits, 193_536 * 17);
    assert_eq!(table.composition().macs, 193_536);
}

/// T-Basis of the whole network but the stem: 9 B R² + 144 (B + R) + 2,714.
#[test]
fn rings_of_cores_have_the_published_counts() {
    let params = |suffix: &str| {
        let config = config(&format!("cifar10/resnet32-tbasis{suffix}"));
        let total = config.cost([32, 32], &Device::flex()).total();
        assert_eq!(total.macs, 68_862_592, "{suffix}");
        assert_eq!(config.init(&Device::flex()).parameters().trainable, total.params, "{suffix}");
        total.params
    };
    assert_eq!(params("20r28-all"), 150_746);
    assert_eq!(params("16r16-all"), 44_186);
    assert_eq!(params("2r2-all"), 9 * 8 + 144 * 4 + 2_714);
    // Blocks after the first: 8 × (4 + 5 + 5) modes.
    assert_eq!(params("2r2"), 77_082 + 9 * 8 + 112 * 4);
}

#[test]
fn classes_and_channels_can_be_changed() {
    let device = Device::flex();
    let base = config("cifar10/resnet20").cost([32, 32], &device).total().params;
    let changed = config("cifar10/resnet20").with_num_classes(7).with_in_channels(1);
    let params = changed.cost([32, 32], &device).total().params;
    assert_eq!(params, base - 3 * 65 - 2 * 144);
}
