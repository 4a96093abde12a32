//! All operations except convolution and linear layers: every implementation against the reference in
//! f64.

mod common;

use common::{Case, Operand, cases, check, instruction_sets};
use proptest::prelude::*;
use striate_kernels::activation::Activation;
use striate_kernels::batch_norm::reference::Statistics;
use striate_kernels::batch_norm::{self, BatchNormDesc, ResidualGradientDesc};
use striate_kernels::channel_sum::{self, ChannelSumDesc};
use striate_kernels::concat::{self, ConcatDesc};
use striate_kernels::dropout::{self, DropoutDesc};
use striate_kernels::elementwise::{self, Elementwise, ElementwiseDesc};
use striate_kernels::isa::Isa;
use striate_kernels::lrn::{self, LrnDesc};
use striate_kernels::optimizer::{self, AdamDesc, AverageDesc, ClipNormDesc, LarsDesc, RmsPropDesc, SgdDesc};
use striate_kernels::pad_channels::{self, PadChannelsDesc};
use striate_kernels::pooling::{self, PoolDesc, PoolKind};
use striate_kernels::rbf::{self, RbfDesc};
use striate_kernels::scale::{self, ScaleDesc};
use striate_kernels::soft_cross_entropy::{self, SoftCrossEntropyDesc};
use striate_kernels::softmax::{self, SoftmaxDesc};
use striate_kernels::threads::ThreadPool;
use striate_kernels::{Access, Format, Halo, Layout, Memory, Operand as Slice, Place, Region, Views};
use striate_kernels::{Context, reorder};
use striate_tensor::{Buffer, Shape};

fn shape() -> impl Strategy<Value = [usize; 4]> {
    let batch = prop::sample::select(vec![1usize, 2, 3, 8, 16]);
    (batch, 1usize..40, 1usize..8, 1usize..10).prop_map(|(n, c, h, w)| [n, c, h, w])
}

fn elementwise() -> impl Strategy<Value = Elementwise> {
    use Activation::{None, Relu, Relu6, ScaledTanh, Sigmoid, Tanh};
    let apply = [None, Relu, Relu6, Tanh, Sigmoid, ScaledTanh].map(Elementwise::Apply);
    let gradient = [None, Relu, Relu6, Tanh, Sigmoid, ScaledTanh].map(Elementwise::Gradient);
    let all = [&apply[..], &gradient[..], &[Elementwise::MultiplyBy(-0.17), Elementwise::Add]].concat();
    prop::sample::select(all)
}

prop_compose! {
    /// Windows that extend past the map in every way that the shape rules allow; in ceiling mode, even the first.
    fn pool_desc()(
        batch in prop::sample::select(vec![1usize, 2, 8, 16]),
        channels in 1usize..20,
        input in (1usize..12, 1usize..14),
        kernel in (1usize..=4, 1usize..=4),
        stride in (1usize..=3, 1usize..=3),
        padding in (0usize..=2, 0usize..=2),
        ceil in any::<bool>(),
        kind in prop::sample::select(vec![
            PoolKind::Max,
            PoolKind::Average { count_include_pad: true },
            PoolKind::Average { count_include_pad: false },
        ]),
        activation in prop::sample::select(vec![Activation::None, Activation::Tanh, Activation::Relu]),
    ) -> PoolDesc {
        let padding = [padding.0.min(kernel.0 / 2), padding.1.min(kernel.1 / 2)];
        let spare = |stride: usize| if ceil { stride - 1 } else { 0 };
        let extent = |input: usize, kernel: usize, stride: usize, padding: usize| {
            input.max(kernel.saturating_sub(2 * padding + spare(stride)))
        };
        let input = [
            extent(input.0, kernel.0, stride.0, padding[0]),
            extent(input.1, kernel.1, stride.1, padding[1]),
        ];
        let count = |input: usize, kernel: usize, stride: usize, padding: usize| {
            let count = (input + 2 * padding + spare(stride) - kernel) / stride + 1;
            if ceil && (count - 1) * stride >= input + padding { count - 1 } else { count }
        };
        PoolDesc {
            kind,
            batch,
            channels,
            input,
            output: [count(input[0], kernel.0, stride.0, padding[0]), count(input[1], kernel.1, stride.1, padding[1])],
            kernel: [kernel.0, kernel.1],
            stride: [stride.0, stride.1],
            padding,
            activation,
        }
    }
}

/// Checks all three directions, including the kernels for plain maps unless the maps are single elements.
fn check_batch_norm(shape: [usize; 4], epsilon: f32) {
    let mut ran = Vec::new();
    let d = BatchNormDesc { shape, epsilon, momentum: 0.1, residual: false, activation: Activation::None };
    let channels = |seed| Operand::random([1, shape[1], 1, 1], seed);
    let positive = |operand: Operand| Operand {
        values: operand.values.iter().map(|x| x.abs() + 0.5).collect(),
        ..operand
    };
    let (x, dy) = (Operand::random(shape, 1), Operand::random(shape, 2));
    let (gamma, beta, mean, var) = (channels(3), channels(4), channels(5), positive(channels(6)));
    let mut y = x.clone();
    batch_norm::reference::inference(
        &d,
        &x.values,
        &gamma.values,
        &beta.values,
        &mean.values,
        &var.values,
        &mut y.values,
    );
    let reads = vec![x.clone(), gamma.clone(), beta.clone(), mean.clone(), var.clone()];
    ran.extend(check(&Case {
        desc: &d,
        list: batch_norm::inference(),
        reads,
        writes: vec![(None, y.clone())],
        tolerance: 1e-5,
    }));

    let (mut m, mut i) = (mean.clone(), mean.clone());
    let (mut rm, mut rv) = (mean.clone(), var.clone());
    let statistics = Statistics {
        mean: &mut m.values,
        inverse_deviation: &mut i.values,
        running_mean: &mut rm.values,
        running_var: &mut rv.values,
    };
    let operands = (&x.values[..], &gamma.values[..], &beta.values[..]);
    batch_norm::reference::training(&d, operands, None, &mut y.values, statistics);
    let statistics = vec![(None, m.clone()), (None, i.clone()), (Some(mean), rm), (Some(var), rv)];
    let writes = |y: &Operand| [vec![(None, y.clone())], statistics.clone()].concat();
    let reads = vec![x.clone(), gamma.clone(), beta.clone()];
    let list = batch_norm::training();
    ran.extend(check(&Case { desc: &d, list, reads: reads.clone(), writes: writes(&y), tolerance: 1e-4 }));

    // Fused, the activation and the residual act on y alone.
    let residual = Operand::random(shape, 7);
    for (has_residual, activation) in
        [(true, Activation::None), (true, Activation::Relu6), (false, Activation::Relu)]
    {
        let fused = BatchNormDesc { residual: has_residual, activation, ..d.clone() };
        let mut activated = y.clone();
        for (y, residual) in activated.values.iter_mut().zip(&residual.values) {
            *y = activation.apply(if has_residual { *y + residual } else { *y });
        }
        let reads = reads.iter().cloned().chain(has_residual.then(|| residual.clone())).collect();
        check(&Case { desc: &fused, list, reads, writes: writes(&activated), tolerance: 1e-4 });
    }

    let (mut dx, mut dgamma, mut dbeta) = (x.clone(), gamma.clone(), gamma.clone());
    let out = (&mut dx.values[..], &mut dgamma.values[..], &mut dbeta.values[..]);
    let operands = (&x.values[..], &dy.values[..], &gamma.values[..]);
    batch_norm::reference::gradient(&d, operands, (&m.values, &i.values, None), out);
    let reads = vec![x.clone(), dy.clone(), gamma.clone(), m.clone(), i.clone()];
    let writes = vec![(None, dx.clone()), (None, dgamma.clone()), (None, dbeta.clone())];
    ran.extend(check(&Case { desc: &d, list: batch_norm::gradient(), reads, writes, tolerance: 1e-4 }));

    // With an activation, the gradient is that of dy through the activation, applied separately.
    for activation in [Activation::Relu, Activation::Relu6] {
        let fused = BatchNormDesc { activation, ..d.clone() };
        let before: Vec<f64> = y
            .values
            .iter()
            .zip(&dy.values)
            .map(|(y, dy)| dy * activation.derivative(activation.apply(*y)))
            .collect();
        let out = (&mut dx.values[..], &mut dgamma.values[..], &mut dbeta.values[..]);
        let operands = (&x.values[..], &before[..], &gamma.values[..]);
        batch_norm::reference::gradient(&d, operands, (&m.values, &i.values, None), out);
        let reads = [&x, &dy, &gamma, &m, &i, &beta].map(Operand::clone).to_vec();
        let writes = vec![(None, dx.clone()), (None, dgamma.clone()), (None, dbeta.clone())];
        check(&Case { desc: &fused, list: batch_norm::gradient(), reads, writes, tolerance: 1e-4 });
    }
    ran.extend(check_residual_gradient(&d, [&x, &dy, &gamma, &m, &i]));
    let names = [
        "batch_norm_plain_f32",
        "batch_norm_training_plain_f32",
        "batch_norm_gradient_plain_f32",
        "batch_norm_residual_gradient_plain_f32",
    ];
    for name in names {
        assert_eq!(ran.contains(&name), shape[2] * shape[3] > 1, "{name}, {shape:?}");
    }
}

/// Fused with the addition of a residual and an activation, the gradient is that of dy, or of a sum, through the
/// activation, computed separately.
fn check_residual_gradient(d: &BatchNormDesc, operands: [&Operand; 5]) -> Vec<&'static str> {
    let [x, dy, gamma, mean, inverse] = operands;
    let (result, addend) = (Operand::random(d.shape, 8), Operand::random(d.shape, 9));
    let mut ran = Vec::new();
    for (activation, is_sum) in [
        (Activation::Relu, false),
        (Activation::Relu, true),
        (Activation::None, true),
        (Activation::Tanh, true),
    ] {
        let values = dy.values.iter().zip(&addend.values).zip(&result.values);
        let before = values
            .map(|((dy, addend), y)| activation.derivative(*y) * if is_sum { dy + addend } else { *dy });
        let before = Operand::new(d.shape, before.collect());
        let (mut dx, mut dgamma, mut dbeta) = (x.clone(), gamma.clone(), gamma.clone());
        let out = (&mut dx.values[..], &mut dgamma.values[..], &mut dbeta.values[..]);
        let values = (&x.values[..], &before.values[..], &gamma.values[..]);
        batch_norm::reference::gradient(d, values, (&mean.values, &inverse.values, None), out);
        let norm = BatchNormDesc { activation, residual: true, ..d.clone() };
        let desc = ResidualGradientDesc { norm, is_sum };
        let reads = [x, dy, gamma, mean, inverse, &result].into_iter().chain(is_sum.then_some(&addend));
        let writes = [dx, dgamma, dbeta, before].map(|operand| (None, operand)).to_vec();
        let (reads, list) = (reads.cloned().collect(), batch_norm::residual_gradient());
        ran.extend(check(&Case { desc: &desc, list, reads, writes, tolerance: 1e-4 }));
    }
    ran
}

fn check_channel_sum(shape: [usize; 4], product: bool) {
    let (x, other) = (Operand::random(shape, 1), Operand::random(shape, 3));
    let mut y = Operand::random([1, shape[1], 1, 1], 2);
    channel_sum::reference::channel_sum(
        shape,
        &x.values,
        product.then_some(&other.values[..]),
        &mut y.values,
    );
    let desc = ChannelSumDesc { shape, product };
    let reads = if product { vec![x, other] } else { vec![x] };
    let ran = check(&Case {
        desc: &desc,
        list: channel_sum::list(),
        reads,
        writes: vec![(None, y)],
        tolerance: 1e-5,
    });
    assert!(ran.contains(&"channel_sum_plain_f32"), "{shape:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn elementwise_operations_match_the_reference(shape in shape(), op in elementwise()) {
        let desc = ElementwiseDesc { shape, op };
        let scale = |operand: Operand| Operand { values: operand.values.iter().map(|x| x * 9.0).collect(), ..operand };
        let (a, b) = (scale(Operand::random(shape, 1)), Operand::random(shape, 2));
        let two = !matches!(op, Elementwise::Apply(_) | Elementwise::MultiplyBy(_));
        let mut y = a.clone();
        elementwise::reference::elementwise(op, &a.values, two.then_some(&b.values), &mut y.values);
        let reads = if two { vec![a, b] } else { vec![a] };
        let case = Case { desc: &desc, list: elementwise::list(), reads, writes: vec![(None, y)], tolerance: 1e-6 };
        prop_assert!(check(&case).contains(&"elementwise_f32"));
    }

    #[test]
    fn pooling_matches_the_reference(d in pool_desc(), nan in prop::option::of(any::<u64>())) {
        let mut x = Operand::random([d.batch, d.channels, d.input[0], d.input[1]], 1);
        if let (PoolKind::Max, Some(seed)) = (d.kind, nan) {
            x = x.with_nan(seed);
        }
        let dy = Operand::random([d.batch, d.channels, d.output[0], d.output[1]], 2);
        let (mut y, mut dx) = (dy.clone(), x.clone());
        pooling::reference::forward(&d, &x.values, &mut y.values);
        let writes = vec![(None, y)];
        let case = Case { desc: &d, list: pooling::forward(), reads: vec![x.clone()], writes, tolerance: 1e-6 };
        prop_assert!(check(&case).contains(&"pool_f32"));
        if d.kind == PoolKind::Max {
            pooling::reference::max_gradient(&d, &x.values, &dy.values, &mut dx.values);
            let (reads, writes) = (vec![x, dy], vec![(None, dx)]);
            check(&Case { desc: &d, list: pooling::max_gradient(), reads, writes, tolerance: 1e-6 });
        } else {
            let x = (d.activation != Activation::None).then_some(x);
            pooling::reference::average_gradient(&d, &dy.values, x.as_ref().map(|x| &x.values[..]), &mut dx.values);
            let (reads, writes) = ([dy].into_iter().chain(x).collect(), vec![(None, dx)]);
            check(&Case { desc: &d, list: pooling::average_gradient(), reads, writes, tolerance: 1e-6 });
        }
    }

    #[test]
    fn batch_norm_matches_the_reference(shape in shape(), epsilon in 1e-5f32..0.1) {
        check_batch_norm(shape, epsilon);
    }

    #[test]
    fn concat_matches_the_reference(shape in shape(), others in prop::collection::vec(1usize..20, 0..4)) {
        let channels: Vec<usize> = others.into_iter().chain([shape[1]]).collect();
        let whole = [shape[0], channels.iter().sum(), shape[2], shape[3]];
        let part = |(i, c): (usize, &usize)| Operand::random([shape[0], *c, shape[2], shape[3]], i as u64);
        let parts: Vec<Operand> = channels.iter().enumerate().map(part).collect();
        let mut y = Operand::random(whole, 9);
        let slices: Vec<&[f64]> = parts.iter().map(|part| &part.values[..]).collect();
        concat::reference::forward(whole, &channels, &slices, &mut y.values);
        let desc = ConcatDesc { shape: whole, channels };
        let writes = vec![(None, y.clone())];
        check(&Case { desc: &desc, list: concat::forward(), reads: parts.clone(), writes, tolerance: 0.0 });
        let writes = parts.into_iter().map(|part| (None, part)).collect();
        check(&Case { desc: &desc, list: concat::gradient(), reads: vec![y], writes, tolerance: 1e-7 });
    }

    #[test]
    fn channel_sum_matches_the_reference(shape in shape(), product in any::<bool>()) {
        check_channel_sum(shape, product);
    }

    #[test]
    fn scale_matches_the_reference(shape in shape(), bias in any::<bool>()) {
        let (x, w) = (Operand::random(shape, 1), Operand::random([1, shape[1], 1, 1], 2));
        let b = Operand::random([1, shape[1], 1, 1], 3);
        let mut y = x.clone();
        scale::reference::scale(shape, &x.values, &w.values, bias.then_some(&b.values[..]), &mut y.values);
        let reads = [x, w].into_iter().chain(bias.then_some(b)).collect();
        let desc = ScaleDesc { shape, bias };
        let ran = check(&Case { desc: &desc, list: scale::list(), reads, writes: vec![(None, y)], tolerance: 1e-6 });
        prop_assert!(ran.contains(&"scale_f32"));
    }

    #[test]
    fn rbf_matches_the_reference(rows in 1usize..6, features in 1usize..90, units in 1usize..12) {
        let matrix = |rows: usize, columns: usize, seed| Operand::random([rows, columns, 1, 1], seed);
        let (x, codes, dy) = (matrix(rows, features, 1), matrix(units, features, 2), matrix(rows, units, 3));
        let d = RbfDesc { rows, features, units };
        let (mut y, mut dx) = (dy.clone(), x.clone());
        rbf::reference::forward(&d, &x.values, &codes.values, &mut y.values);
        let (reads, writes) = (vec![x.clone(), codes.clone()], vec![(None, y)]);
        check(&Case { desc: &d, list: rbf::forward(), reads, writes, tolerance: 1e-6 });
        rbf::reference::gradient(&d, &x.values, &codes.values, &dy.values, &mut dx.values);
        let (reads, writes) = (vec![x, codes, dy], vec![(None, dx)]);
        check(&Case { desc: &d, list: rbf::gradient(), reads, writes, tolerance: 1e-6 });
    }

    #[test]
    fn lrn_matches_the_reference(
        shape in shape(),
        channels in prop_oneof![1usize..40, 120usize..300],
        half in 0usize..9,
        alpha in 0.0f32..3.0,
        beta in prop::sample::select(vec![0.25f32, 0.5, 0.75, 1.0, 0.6]),
        k in 0.5f32..2.0,
    ) {
        let shape = [shape[0].min(3), channels, shape[2], shape[3] * 2];
        let d = LrnDesc { shape, size: 2 * half + 1, alpha, beta, k };
        let (x, dy) = (Operand::random(shape, 1), Operand::random(shape, 2));
        let (mut y, mut dx) = (x.clone(), x.clone());
        lrn::reference::forward(&d, &x.values, &mut y.values);
        let writes = vec![(None, y)];
        let case = Case { desc: &d, list: lrn::forward(), reads: vec![x.clone()], writes, tolerance: 2e-6 };
        prop_assert_eq!(check(&case).contains(&"lrn_f32"), beta != 0.6);
        lrn::reference::gradient(&d, &x.values, &dy.values, &mut dx.values);
        let (reads, writes) = (vec![x, dy], vec![(None, dx)]);
        check(&Case { desc: &d, list: lrn::gradient(), reads, writes, tolerance: 1e-5 });
    }

    #[test]
    fn pad_channels_matches_the_reference(shape in shape(), before in 0usize..20, after in 0usize..20) {
        let padded = [shape[0], before + shape[1] + after, shape[2], shape[3]];
        let (x, mut y) = (Operand::random(shape, 1), Operand::random(padded, 2));
        let d = PadChannelsDesc { shape, channels: padded[1], before: before as isize };
        pad_channels::reference::pad_channels(&d, &x.values, &mut y.values);
        prop_assert_eq!(y.values.iter().sum::<f64>(), x.values.iter().sum::<f64>());
        let (reads, writes) = (vec![x.clone()], vec![(None, y.clone())]);
        check(&Case { desc: &d, list: pad_channels::list(), reads, writes, tolerance: 0.0 });
        let d = PadChannelsDesc { shape: padded, channels: shape[1], before: -(before as isize) };
        let (reads, writes) = (vec![y], vec![(None, x)]);
        check(&Case { desc: &d, list: pad_channels::list(), reads, writes, tolerance: 0.0 });
    }

    #[test]
    fn softmax_matches_the_reference(rows in 1usize..6, classes in 1usize..20) {
        let desc = SoftmaxDesc { rows, classes };
        let (x, dy) = (Operand::random([rows, classes, 1, 1], 1), Operand::random([rows, classes, 1, 1], 2));
        let (mut y, mut dx) = (x.clone(), x.clone());
        softmax::reference::forward(classes, &x.values, &mut y.values);
        let writes = vec![(None, y.clone())];
        check(&Case { desc: &desc, list: softmax::list(), reads: vec![x], writes, tolerance: 1e-6 });
        softmax::reference::gradient(classes, &y.values, &dy.values, &mut dx.values);
        let (reads, writes) = (vec![y, dy], vec![(None, dx)]);
        check(&Case { desc: &desc, list: softmax::gradient(), reads, writes, tolerance: 1e-6 });
    }

    #[test]
    fn soft_cross_entropy_matches_the_reference(rows in 1usize..6, classes in 1usize..20, scale in 0.1f32..2.0) {
        let desc = SoftCrossEntropyDesc { rows, classes, scale };
        let (x, targets) = (Operand::random([rows, classes, 1, 1], 1), Operand::random([rows, classes, 1, 1], 2));
        let (mut y, mut dx) = (x.clone(), x.clone());
        let loss = soft_cross_entropy::reference::forward(&desc, &x.values, &targets.values, &mut y.values);
        let writes = vec![(None, Operand::row(vec![loss])), (None, y.clone())];
        let (reads, list) = (vec![x, targets.clone()], soft_cross_entropy::forward());
        check(&Case { desc: &desc, list, reads, writes, tolerance: 1e-5 });
        soft_cross_entropy::reference::gradient(&desc, &y.values, &targets.values, &mut dx.values);
        let (reads, writes) = (vec![y, targets], vec![(None, dx)]);
        check(&Case { desc: &desc, list: soft_cross_entropy::gradient(), reads, writes, tolerance: 1e-6 });
    }

    #[test]
    fn rms_prop_matches_the_reference(len in 1usize..40_000, momentum in prop::sample::select(vec![0.0f32, 0.9])) {
        let row = |seed| Operand::random([1, len, 1, 1], seed);
        let (g, rate, p, v) = (row(1), Operand::row(vec![0.1]), row(2), row(3));
        let s = Operand { values: row(4).values.iter().map(|x| x.abs()).collect(), ..row(4) };
        let d = RmsPropDesc { len, decay: 0.9, epsilon: 0.5, momentum, weight_decay: 0.01 };
        let (mut new_p, mut new_s, mut new_v) = (p.clone(), s.clone(), v.clone());
        let state = (momentum != 0.0).then_some(&mut new_v.values[..]);
        let rms_prop = optimizer::reference::rms_prop;
        rms_prop(&d, &g.values, 0.1f32.into(), &mut new_p.values, &mut new_s.values, state);
        let mut writes = vec![(Some(p), new_p), (Some(s), new_s)];
        writes.extend((momentum != 0.0).then_some((Some(v), new_v)));
        check(&Case { desc: &d, list: optimizer::rms_prop(), reads: vec![g, rate], writes, tolerance: 1e-6 });
    }

    #[test]
    fn lars_matches_the_reference(len in 1usize..40_000, momentum in prop::sample::select(vec![0.0f32, 0.9]), nesterov in any::<bool>(), zero in any::<bool>()) {
        let row = |seed| Operand::random([1, len, 1, 1], seed);
        let (mut g, rate, p, v) = (row(1), Operand::row(vec![0.1]), row(2), row(3));
        if zero {
            g.values.fill(0.0);
        }
        let nesterov = nesterov && momentum > 0.0;
        let d = LarsDesc { len, momentum, nesterov, weight_decay: 0.01, trust: 0.3 };
        let (mut new_p, mut new_v) = (p.clone(), v.clone());
        let state = (momentum != 0.0).then_some(&mut new_v.values[..]);
        optimizer::reference::lars(&d, &g.values, 0.1f32.into(), &mut new_p.values, state);
        let mut writes = vec![(Some(p), new_p)];
        writes.extend((momentum != 0.0).then_some((Some(v), new_v)));
        check(&Case { desc: &d, list: optimizer::lars(), reads: vec![g, rate], writes, tolerance: 1e-6 });
    }

    #[test]
    fn average_matches_the_reference(len in 1usize..40_000, keep in 0.0f32..1.0) {
        let row = |seed| Operand::random([1, len, 1, 1], seed);
        let (x, average) = (row(1), row(2));
        let [keep, share] = [keep, 1.0 - keep].map(|number| Operand::row(vec![f64::from(number)]));
        let mut expected = average.clone();
        optimizer::reference::average(&x.values, keep.values[0], share.values[0], &mut expected.values);
        let (reads, writes) = (vec![x, keep, share], vec![(Some(average), expected)]);
        check(&Case { desc: &AverageDesc { len }, list: optimizer::average(), reads, writes, tolerance: 1e-6 });
    }

    #[test]
    fn sgd_matches_the_reference(len in 1usize..40_000, momentum in prop::sample::select(vec![0.0f32, 0.9]), nesterov in any::<bool>()) {
        let row = |seed| Operand::random([1, len, 1, 1], seed);
        let (g, rate, p, v) = (row(1), Operand::row(vec![0.1]), row(2), row(3));
        let d = SgdDesc { len, momentum, nesterov: nesterov && momentum > 0.0, weight_decay: 0.01 };
        let (mut new_p, mut new_v) = (p.clone(), v.clone());
        let state = (momentum != 0.0).then_some(&mut new_v.values[..]);
        optimizer::reference::sgd(&d, &g.values, 0.1f32.into(), &mut new_p.values, state);
        let mut writes = vec![(Some(p), new_p)];
        writes.extend((momentum != 0.0).then_some((Some(v), new_v)));
        check(&Case { desc: &d, list: optimizer::sgd(), reads: vec![g, rate], writes, tolerance: 1e-6 });
    }
}

/// All layouts that a value can be converted to.
fn layout() -> impl Strategy<Value = Layout> {
    let halo = [0usize..3, 0usize..3, 0usize..3, 0usize..3];
    let halo = halo.prop_map(|[top, left, bottom, right]| Halo { top, left, bottom, right });
    prop_oneof![
        Just(Layout::Plain),
        (prop::sample::select(vec![1usize, 8, 16]), halo)
            .prop_map(|(block, halo)| Layout::Channels { block, halo }),
        prop::sample::select(vec![8usize, 16]).prop_map(|block| Layout::Images { block }),
        prop::sample::select(vec![8usize, 16]).prop_map(|block| Layout::KernelForward { block }),
        prop::sample::select(vec![8usize, 16]).prop_map(|block| Layout::KernelBackward { block }),
        prop::sample::select(vec![8usize, 16]).prop_map(|block| Layout::KernelPlanarInput { block }),
    ]
}

/// Converts numbers that tell their places from one layout to another.
fn check_reorder(shape: [usize; 4], from: Layout, to: Layout) {
    let len = |layout: Layout| layout.len(&Shape::from(shape));
    let place = |layout: Layout| {
        let mut laid = vec![0.0f32; len(layout)];
        let [a, b, c, d] = shape;
        for i in 0..a * b * c * d {
            let index = [i / (b * c * d), i / (c * d) % b, i / d % c, i % d];
            laid[layout.offset(shape, index)] = (i + 1) as f32;
        }
        laid
    };
    for (isa, threads) in instruction_sets().into_iter().flat_map(|isa| [(isa, 1), (isa, 2)]) {
        let mut got = vec![f32::NAN; len(to)];
        let source = place(from);
        let kernel = reorder::kernel(shape, from.f32(), to, isa);
        let pool = ThreadPool::new(threads);
        let mut views = [Slice::read(&source), Slice::write(&mut got)];
        kernel.run(&Context { thread_pool: &pool }, &mut Views::of(&mut views));
        assert_eq!(got, place(to), "{shape:?} from {from} to {to} with {isa:?}");
    }
}

#[test]
fn plain_weights_are_converted_to_forward_weights() {
    for (kernel, block) in [[1, 1], [1, 7], [3, 3], [5, 5]].into_iter().flat_map(|k| [(k, 8), (k, 16)]) {
        for [outputs, inputs] in [[32, 48], [32, 20], [20, 32], [3, 3]] {
            let shape = [outputs, inputs, kernel[0], kernel[1]];
            check_reorder(shape, Layout::Plain, Layout::KernelForward { block });
        }
    }
}

proptest! {
    /// For every pair of layouts, each element moves to its offset and the padding is zero.
    #[test]
    fn reorder_converts_between_all_layouts(shape in shape(), from in layout(), to in layout()) {
        let whole = |layout| !matches!(layout, Layout::Images { block } if !shape[0].is_multiple_of(block));
        prop_assume!(whole(from) && whole(to));
        check_reorder(shape, from, to);
    }

    /// The mask depends only on the element, not on the layout or the number of threads.
    #[test]
    fn dropout_matches_the_reference(shape in shape(), probability in 0.0f32..0.9, step in 0i64..1000) {
        let desc = DropoutDesc { shape, probability, salt: 77 };
        let x = Operand::random(shape, 1);
        let mut expected = x.values.clone();
        dropout::reference::dropout(&desc, &x.values, 5, step, &mut expected);
        for isa in instruction_sets() {
            for (implementation, threads) in dropout::list().iter().flat_map(|i| [(i, 1), (i, 2)]) {
                for first in [Layout::Plain, Layout::channels(isa.block())] {
                    let Some(formats) = implementation.formats(&desc, isa, first) else { continue };
                    let layouts = Format::layouts(&formats);
                    let len = layouts[0].len(&Shape::from(shape));
                    let plain: Vec<f32> = x.values.iter().map(|x| *x as f32).collect();
                    let mut laid = vec![0.0; len];
                    reorder::reorder(shape, Layout::Plain, layouts[0], &plain, &mut laid);
                    let own = [Buffer::from_slice(&laid), Buffer::from_slice(&[5i64, step]), Buffer::from_slice(&vec![f32::NAN; len])].map(Result::unwrap).into();
                    let mut memory = Memory::new(own, vec![]);
                    let region = |place: usize, bytes| Region { place: Place::Own(place), bytes };
                    let reads = vec![region(0, 0..len * 4), region(1, 0..8), region(1, 8..16)];
                    let access = Access::new(reads, vec![region(2, 0..len * 4)]).unwrap();
                    let kernel = implementation.prepare(&desc, isa, &layouts);
                    let pool = ThreadPool::new(threads);
                    kernel.run(&Context { thread_pool: &pool }, &mut memory.open(&access));
                    let mut got = plain.clone();
                    reorder::reorder(shape, layouts[3], Layout::Plain, memory.own[2].as_slice(), &mut got);
                    for (got, expected) in got.iter().zip(&expected) {
                        prop_assert!((f64::from(*got) - expected).abs() < 1e-5);
                    }
                }
            }
        }
    }
}

/// Plain maps with enough elements to split their sums into several runs.
#[test]
fn sums_of_large_maps_match_the_reference() {
    let shape = [2, 3, 70, 70];
    check_batch_norm(shape, 1e-3);
    check_channel_sum(shape, false);
    check_channel_sum(shape, true);
}

/// Results that do not fit the caches, which are stored past them.
#[test]
fn large_results_match_the_reference() {
    let shape = [1, 20, 460, 462];
    let (a, b) = (Operand::random(shape, 1), Operand::random(shape, 2));
    for op in [Elementwise::Add, Elementwise::Gradient(Activation::Relu)] {
        let desc = ElementwiseDesc { shape, op };
        let mut y = a.clone();
        elementwise::reference::elementwise(op, &a.values, Some(&b.values), &mut y.values);
        let (reads, writes) = (vec![a.clone(), b.clone()], vec![(None, y)]);
        check(&Case { desc: &desc, list: &elementwise::list()[..1], reads, writes, tolerance: 1e-6 });
    }
    let d = PoolDesc {
        kind: PoolKind::Max,
        batch: 1,
        channels: 20,
        input: [460, 462],
        output: [230, 231],
        kernel: [2; 2],
        stride: [2; 2],
        padding: [0; 2],
        activation: Activation::Relu,
    };
    let (dy, mut dx) = (Operand::random([1, 20, 230, 231], 3), a.clone());
    pooling::reference::max_gradient(&d, &a.values, &dy.values, &mut dx.values);
    let (reads, writes) = (vec![a, dy], vec![(None, dx)]);
    check(&Case { desc: &d, list: &pooling::max_gradient()[..1], reads, writes, tolerance: 1e-6 });
}

/// Gradients of several items of the grid, below and above the largest norm, with the same bits for any number of
/// threads.
#[test]
fn clip_norm_matches_the_reference() {
    let g = Operand::random([1, 40_003, 1, 1], 1);
    for (implementation, max_norm) in optimizer::clip_norm().iter().flat_map(|i| [(i, 20.0f32), (i, 1e6)]) {
        let d = ClipNormDesc { len: g.values.len(), max_norm };
        let mut expected = g.values.clone();
        let norm = optimizer::reference::clip_norm(&d, &mut expected);
        let kernel = implementation.prepare(&d, Isa::Scalar, &[Layout::Plain; 2]);
        let results = [1, 2].map(|threads| {
            let mut got: Vec<f32> = g.values.iter().map(|g| *g as f32).collect();
            let (mut got_norm, mut scratch) = ([f32::NAN], vec![f64::NAN; kernel.scratch_bytes(threads) / 8]);
            let mut operands =
                [Slice::write(&mut got), Slice::write(&mut got_norm), Slice::write(&mut scratch)];
            let pool = ThreadPool::new(threads);
            kernel.run(&Context { thread_pool: &pool }, &mut Views::of(&mut operands));
            (got, got_norm[0])
        });
        assert_eq!(results[0], results[1], "{}", implementation.name());
        let (got, got_norm) = &results[0];
        assert!((f64::from(*got_norm) - norm).abs() < 1e-6 * norm, "{}: {got_norm}", implementation.name());
        for (got, expected) in got.iter().zip(&expected) {
            assert!((f64::from(*got) - expected).abs() < 1e-6, "{}: {got} {expected}", implementation.name());
        }
    }
}

/// The mean of very many equal elements is that element, in a single row, a wide map and a narrow map.
#[test]
fn means_of_large_windows_are_accurate() {
    for input in [[1, 300_000], [500, 600], [30_000, 10]] {
        let d = PoolDesc {
            kind: PoolKind::Average { count_include_pad: false },
            batch: 1,
            channels: 1,
            input,
            output: [1, 1],
            kernel: input,
            stride: [1, 1],
            padding: [0, 0],
            activation: Activation::None,
        };
        let x = Operand::new([1, 1, input[0], input[1]], vec![0.1; input[0] * input[1]]);
        let (reads, writes) = (vec![x], vec![(None, Operand::row(vec![0.1]))]);
        let list = &pooling::forward()[..1];
        let ran = check(&Case { desc: &d, list, reads, writes, tolerance: 3e-7 });
        assert!(ran.contains(&"pool_f32"));
    }
}

/// The maximum of a window that contains NaN is NaN, and the gradient goes to it, even after an infinity.
#[test]
fn max_pool_propagates_nan() {
    let d = PoolDesc {
        kind: PoolKind::Max,
        batch: 1,
        channels: 1,
        input: [2, 4],
        output: [1, 2],
        kernel: [2, 2],
        stride: [2, 2],
        padding: [0, 0],
        activation: Activation::None,
    };
    let x = vec![f64::INFINITY, f64::NAN, 5.0, 2.0, f64::NAN, 4.0, 9.0, 1.0];
    let (x, y) = (Operand::new([1, 1, 2, 4], x), Operand::new([1, 1, 1, 2], vec![f64::NAN, 9.0]));
    let (dy, dx) = (Operand::new(y.shape, vec![2.0, 3.0]), vec![0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0]);
    let (reads, writes) = (vec![x.clone()], vec![(None, y)]);
    check(&Case { desc: &d, list: pooling::forward(), reads, writes, tolerance: 0.0 });
    let writes = vec![(None, Operand::new(x.shape, dx))];
    check(&Case { desc: &d, list: pooling::max_gradient(), reads: vec![x, dy], writes, tolerance: 0.0 });
}

/// The first two steps of `torch.optim.Adam([p], lr=0.1, weight_decay=0.01)` on p = [1, −2] with the
/// gradients [0.5, −1] and [0.25, 0.125].
#[test]
fn adam_matches_pytorch() {
    let d =
        AdamDesc { len: 2, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01, decoupled: false };
    let (mut p, mut m, mut v) = ([1.0f64, -2.0], [0.0; 2], [0.0; 2]);
    optimizer::reference::adam(&d, &[0.5, -1.0], 0.1, 0, &mut p, &mut m, &mut v);
    optimizer::reference::adam(&d, &[0.25, 0.125], 0.1, 1, &mut p, &mut m, &mut v);
    for (p, expected) in p.iter().zip([0.806_555_041_049_931_9, -1.841_049_020_794_846_7]) {
        assert!((p - expected).abs() < 1e-6, "{p} {expected}");
    }
}
