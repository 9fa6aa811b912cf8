package io.sparkweld
package rules

import io.sparkweld.compile.{FormOrigin, ModelBlock, ModuleRecord, PipelineRequest, Watch, WorkerModules, WorkerPython}
import io.sparkweld.contract.ModelFile
import io.sparkweld.plan.{KernelInput, KernelPlan, NestedOutput, VectorOutput}

import org.apache.spark.sql.types.{DataType, DoubleType}

/**
 * Holds a chain as a request, with everything beside the program that a WeldExec needs to run it.
 *
 * @param workers the Pythons of its functions, each with its import path
 */
final case class Pipeline(
    request: PipelineRequest,
    inputs: Array[KernelInput],
    layout: Array[Int],
    nested: Array[NestedOutput],
    outputTypes: Array[DataType],
    udfs: Seq[String],
    filtered: Boolean,
    workers: Seq[WorkerPython]) {

  /**
   * Returns the plan of the kernel. `files`, `modules`, `models`, `batchRows` and `wholeBatches` are those of the program, for the whole chain.
   *
   * @param vectors the vectors among its outputs, whose numbers follow `outputTypes`
   * @param watched the certificates for the doubts, which follow these
   */
  def plan(
      flags: Boolean,
      files: Seq[ModelFile] = Nil,
      modules: ModuleRecord = ModuleRecord.Empty,
      models: Seq[ModelBlock] = Nil,
      vectors: Seq[VectorOutput] = Nil,
      watched: Seq[Watch] = Nil,
      batchRows: Int = 0,
      wholeBatches: Boolean = false): KernelPlan = {
    val types = outputTypes ++ Array.fill(vectors.map(_.size).sum + watched.size)(DoubleType: DataType)
    KernelPlan(request.key, FormOrigin(request.service), inputs, types, layout, nested, vectors.toArray, filtered, flags,
      files, workers.map(WorkerModules(_, modules.modules, modules.libraries)), models, watched, batchRows, wholeBatches)
  }
}
