//! How large tasks are beside their bases, as the formulas say.

use burn::tensor::Device;
use cobasis_zoo::{AdapterCount, AdapterKind, ModelConfig};

fn count(name: &str, kind: &str, classes: usize) -> AdapterCount {
    let base = ModelConfig::new(name.parse().expect("a name"));
    let kind: AdapterKind = kind.parse().expect("a kind");
    kind.count(&base, classes, &Device::flex()).expect("an adapter")
}

/// A network, the weights of its convolutions, per cent of batch norms and of `film`, and those of modulators.
type Known = (&'static str, u64, [&'static str; 2], &'static [(&'static str, &'static str)]);

#[test]
fn modulators_are_the_known_per_cent_of_filters() {
    let known: [Known; 6] = [
        (
            "cifar10/resnet20",
            267_696,
            ["0.51", "0.51"],
            &[("rank1", "2.36"), ("mask", "2.31"), ("mix", "0.57"), ("mlp", "1.14")],
        ),
        (
            "cifar10/resnet32",
            461_232,
            ["0.49", "0.49"],
            &[("rank1", "2.34"), ("mask", "2.22"), ("mix", "0.54"), ("mlp", "1.08")],
        ),
        (
            "cifar10/resnet56",
            848_304,
            ["0.48", "0.48"],
            &[("rank1", "2.33"), ("mask", "2.16"), ("mix", "0.53"), ("mlp", "1.04")],
        ),
        (
            "imagenet/resnet18",
            11_166_912,
            ["0.09", "0.09"],
            &[("rank1", "0.32"), ("mask", "0.35"), ("mix", "0.03")],
        ),
        (
            "imagenet/resnet34",
            21_267_648,
            ["0.08", "0.08"],
            &[("rank1", "0.34"), ("mask", "0.34"), ("mix", "0.02")],
        ),
        (
            "imagenet/resnet50",
            23_454_912,
            ["0.23", "0.23"],
            &[("rank1", "0.34"), ("mask", "0.26"), ("mix", "0.02")],
        ),
    ];
    for (name, filters, [norms, film], modulators) in known {
        let of_norms = count(name, "norms", 10);
        assert_eq!(of_norms.base_filters, filters, "{name}");
        assert_eq!(of_norms.layers, 0, "{name}");
        let percent = 100.0 * of_norms.norms as f64 / filters as f64;
        assert_eq!(format!("{percent:.2}"), norms, "{name}");
        let of_film = count(name, "film", 10);
        assert_eq!((of_film.norms, of_film.statistics), (0, 0), "{name}");
        assert_eq!(format!("{:.2}", of_film.percent_of_filters()), film, "{name}");
        for (kind, percent) in modulators {
            let count = count(name, kind, 10);
            assert_eq!(format!("{:.2}", count.percent_of_filters()), *percent, "{name} {kind}");
            assert_eq!(count.norms, of_norms.norms, "{name} {kind}");
        }
    }
}

#[test]
fn counts_are_those_of_the_formulas() {
    // Of the ResNet-20's 19 convolutions: 688 output and 627 input channels.
    let layers = |kind| count("cifar10/resnet20", kind, 10).layers;
    assert_eq!(layers("film"), 2 * 688);
    assert_eq!(layers("rank1"), 688 + 9 * 627);
    assert_eq!(layers("rank4"), 4 * (688 + 9 * 627));
    assert_eq!(layers("mask"), 9 * 688);
    assert_eq!(layers("mix"), 81 * 19);
    assert_eq!(layers("mlp"), (18 * 8 + 8 + 9) * 19);
    assert_eq!(layers("mlp16"), (18 * 16 + 16 + 9) * 19);
    let head = count("cifar10/resnet20", "head", 7);
    assert_eq!((head.adapter(), head.stored(), head.base), (0, 65 * 7, 269_722));
    assert_eq!(count("cifar10/resnet20", "rank1", 7).stored(), 6_331 + 4 * 688 + 65 * 7);
    let full = count("cifar10/resnet20", "full", 10);
    assert_eq!(full.adapter() + full.head, full.base);
    assert_eq!(full.stored(), full.base + 2 * 688);
}

#[test]
fn unique_filters_of_three_stages_are_the_known_per_cent_of_their_network() {
    let count = count("cifar100/resnet34-s32u1", "unique1-3", 10);
    assert_eq!((count.layers, count.base), (108_288, 7_726_676));
    assert_eq!(format!("{:.2}", 100.0 * count.layers as f64 / count.base as f64), "1.40");
    let all = self::count("cifar100/resnet34-s32u1", "unique", 10);
    assert_eq!(all.layers, 108_288 + 147_456);
}

#[test]
fn a_count_is_that_of_the_adapted_model() {
    let device = Device::flex();
    for name in ["digits/resnet14", "digits/resnet14-s4u1", "digits/resnet14-templates2"] {
        let base = ModelConfig::new(name.parse().expect("a name"));
        for kind in AdapterKind::ALL {
            let Ok(count) = kind.count(&base, 3, &device) else { continue };
            let model = base.init(&device).with_adapter(kind, 3).expect("a task");
            assert_eq!(model.adapter_count(), Some(count), "{name} {kind}");
            let bytes = cobasis_zoo::files::task_to_bytes(&model).expect("a task");
            let header = safetensors::SafeTensors::read_metadata(&bytes).expect("a header").1;
            let stored: usize = header
                .tensors()
                .values()
                .map(|tensor| tensor.shape.iter().product::<usize>())
                .sum();
            assert_eq!(stored as u64, count.stored(), "{name} {kind}");
        }
        assert_eq!(base.init(&device).adapter_count(), None);
    }
}
