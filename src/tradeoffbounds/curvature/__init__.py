"""Case II: the loss of an adapter's parameters, its Hessian-vector products, spectrum and suprema over a ball.

| question | where |
|---|---|
| a source's loss as a function of the adapter alone | `response_loss` |
| value, gradient, Hessian-vector products, in chunks | `products` |
| does it fit in memory? | `memory` |
| weights, adapter and rows put together | `adapted` |
| extreme eigenvalues with an error bound | `spectrum` |
| L_s, S_s, L'_f over a ball: lower and estimate | `suprema` |
| constants that are proved | `certified` |
| drift along -g_f, the safest direction that gains | `directions` |
| what shared parameters cost | `quadratic_model` |
| which parameters belong to which layer | `blocks` |
| which layers carry the drift, how far that is the rows' doing | `layers`, `layer_noise` |
| which layers to freeze | `freezing` |
| what holds at the start: gradients, offset, noise | `start` |
| all of it for one adapter method | `case_two` |
| several methods, from a model's name and three sources | `methods` |
| which method costs least for the same gain | `compare` |
"""
