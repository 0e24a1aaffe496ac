/* A sleep as one would write it in C: step after step, layer after layer, the layer's neurons shared
   out to the threads. The same equations as srcnb/spiking/reference.py, without inhibition, with the
   logistic gate; it gathers the weights of active synapses only, as the kernel does. */
#include <math.h>
#include <string.h>

static void run_layer(int n_pre, int n_post, float *W, float *v, const unsigned char *pre,
                      unsigned char *post, int *active, float alpha, float beta, float decay,
                      float inc, float dec)
{
    int n_active = 0;
    for (int j = 0; j < n_pre; j++)
        if (pre[j])
            active[n_active++] = j;
#pragma omp parallel for schedule(static)
    for (int i = 0; i < n_post; i++) {
        float *row = W + (size_t)i * n_pre;
        float impulse = 0;
        for (int k = 0; k < n_active; k++)
            impulse += row[active[k]];
        v[i] = decay * v[i] + alpha * impulse;
        post[i] = v[i] >= beta;
        if (post[i]) {
            for (int j = 0; j < n_pre; j++)
                row[j] += (pre[j] ? inc : -dec) / (1 + expf(-row[j]));
            v[i] = 0;
        }
    }
}

/* sizes: n_layers + 1; spikes: n_layers + 1 buffers of sizes[l] bytes; active: room for the widest. */
void run_steps(int n_layers, const int *sizes, float **weights, float **membranes,
         unsigned char **spikes, int *active, const float *alpha, const float *beta, float decay,
         float inc, float dec, int n_steps, const unsigned char *input)
{
    for (int t = 0; t < n_steps; t++) {
        memcpy(spikes[0], input + (size_t)t * sizes[0], sizes[0]);
        for (int l = 0; l < n_layers; l++)
            run_layer(sizes[l], sizes[l + 1], weights[l], membranes[l], spikes[l], spikes[l + 1],
                      active, alpha[l], beta[l], decay, inc, dec);
    }
}
