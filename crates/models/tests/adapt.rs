//! Every network adapts to other numbers of channels and classes and to larger inputs.

use striate_tensor::Shape;

#[test]
fn every_network_adapts_to_other_inputs_and_classes() {
    for model in striate_models::all() {
        for channels in [1, 2, 3, 4] {
            let mut network = (model.build)().unwrap();
            let [_, h, w] = network.sample().unwrap();
            match network.takes_signals() {
                true => network.set_input([channels, w + 13]),
                false => network.set_input([channels, h + 32, w + 13]),
            }
            network.set_classes(7).unwrap();
            let graph = network.graph_with_heads(&network.input_shape(2)).unwrap();
            let outputs = graph.heads.iter().map(|(head, _)| *head).chain(graph.outputs.iter().copied());
            for output in outputs {
                assert_eq!(
                    graph.shape(output),
                    &Shape::from([2, 7]),
                    "{} with {channels} input channels",
                    model.name
                );
            }
        }
    }
}
