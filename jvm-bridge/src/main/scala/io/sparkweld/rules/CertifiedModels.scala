package io.sparkweld.rules

import java.io.File

import io.sparkweld.{SparkWeldConf, WeldDriver}
import io.sparkweld.compile.PipelineRequest
import io.sparkweld.spark.CurrentSpark
import io.sparkweld.support.{Refusal, WarnOnce}

import com.fasterxml.jackson.databind.JsonNode
import org.apache.spark.sql.catalyst.expressions.PythonUDF
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan
import org.apache.spark.sql.internal.SQLConf

/**
 * Asks the compile service for a folder's certified counterpart of a UDF's model.
 *
 * @param op the service's operation and the kind of the counterpart: cascade, ranking
 * @param file the file that identifies each counterpart's directory
 */
private[rules] final case class CertifiedModels(op: String, file: String) {

  /**
   * Returns the service's reply about a UDF of `node`; None when it refuses, with one warning if the folder is at fault. A
   * session names the folder: a driver that reads no functions of its clients does not read their folders either.
   */
  def of(udf: PythonUDF, node: LogicalPlan, driver: WeldDriver, conf: SQLConf, folder: File): Option[JsonNode] =
    if (SparkWeldConf.Unpickle.get(CurrentSpark.activeSparkConf)) asked(udf, node, driver, conf, folder) else None

  private def asked(udf: PythonUDF, node: LogicalPlan, driver: WeldDriver, conf: SQLConf, folder: File): Option[JsonNode] = {
    val reply = for {
      function <- FunctionRequest.of(op, udf, CatalystEquivalents.columnsOf(node.children), conf)
      given = function.pipeline.request
      json = given.json.deepCopy().put(s"${op}s", folder.getPath).put("state", stateOf(folder))
      answer <- driver.compiler.translate(new PipelineRequest(given.service, json, given.blobs), QueryPatience.of(conf))
    } yield answer
    reply.left.foreach(_.filter(_.category == "approximation").foreach(warn))
    reply.toOption
  }

  /** Warns once for each reason that the full model scores every row. */
  def warn(refusal: Refusal): Unit =
    WarnOnce(s"$op:${refusal.code}:${refusal.message}", s"SparkWeld: the full model scores every row. ${refusal.text}")

  /** Returns a string that changes when the folder does, so that no earlier answer is reused. */
  private def stateOf(folder: File): String = {
    val places = folder +: Option(folder.listFiles).toSeq.flatten.sorted
    places.map(new File(_, file)).map(found => s"${found.length}:${found.lastModified}").mkString(" ")
  }
}
