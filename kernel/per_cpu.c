/*
 * per_cpu: this CPU's block.
 */
#include "per_cpu.h"

struct per_cpu_data per_cpu;

void set_kernel_stack(uint64_t top)
{
	per_cpu.kernel_rsp = top;
	per_cpu.segments.tss.rsp0 = top;
}
