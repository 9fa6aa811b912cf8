package io.sparkweld.rules

import io.sparkweld.compile.{FormOrigin, ModelBlock, ModelFile, ModuleRecord, PipelineRequest, Watch, WorkerModules, WorkerPython}
import io.sparkweld.plan.{KernelInput, KernelPlan, StructOutput, VectorOutput}

import org.apache.spark.sql.types.{DataType, DoubleType}

/**
 * A chain as a request, and what a WeldExec needs beside the program to run it.
 *
 * @param workers the Pythons that its functions have, each with what is on its import path
 */
final case class Pipeline(
    request: PipelineRequest,
    inputs: Array[KernelInput],
    layout: Array[Int],
    structs: Array[StructOutput],
    outputTypes: Array[DataType],
    udfs: Seq[String],
    filtered: Boolean,
    workers: Seq[WorkerPython]) {

  /**
   * `files`, `modules` and `models`: of the program, for the whole chain.
   *
   * @param vectors the vectors among its outputs, whose numbers come after `outputTypes`
   * @param watched what the doubts are held against that come behind these
   * @param batchRows of the program, too
   */
  def plan(
      flags: Boolean,
      files: Seq[ModelFile] = Nil,
      modules: ModuleRecord = ModuleRecord.Empty,
      models: Seq[ModelBlock] = Nil,
      vectors: Seq[VectorOutput] = Nil,
      watched: Seq[Watch] = Nil,
      batchRows: Int = 0): KernelPlan = {
    val types = outputTypes ++ Array.fill(vectors.map(_.size).sum + watched.size)(DoubleType: DataType)
    KernelPlan(request.key, FormOrigin(request.service), inputs, types, layout, structs, vectors.toArray, filtered, flags,
      files, workers.map(WorkerModules(_, modules.modules, modules.libraries)), models, watched, batchRows)
  }
}
