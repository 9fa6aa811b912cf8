package io.sparkweld.compile

import scala.jdk.CollectionConverters._

import com.fasterxml.jackson.databind.JsonNode

/**
 * What a cascade's certificate says of the rows that it was tested on; the kernel stores each row's doubt, to be held against it.
 * `counts`: rows by doubt, in bins that `edges` part; a row is sure below the edge `limit`. `differs`: rows that the small model
 * answers otherwise than the full one, numbers by more than `band`. `labels`: the kernel gives labels, no probabilities or numbers.
 * `sureCost` and `fullCost`: nanoseconds a row of which the small model is sure, and by the full model alone.
 */
final case class Watch(
    path: String, edges: Array[Double], counts: Array[Long], limit: Int, differs: Long, band: Double, labels: Boolean,
    sureCost: Double, fullCost: Double) {

  def bins: Int = edges.length + 1

  /** How much cheaper rows are of which such a share goes to the full model. */
  def saving(share: Double): Double = fullCost / math.max(sureCost + share * fullCost, 1e-9)

  /** Those of rows counted so that went to the full model. */
  def unsure(counts: Array[Long]): Long = counts.drop(limit + 1).sum
}

object Watch {
  def read(json: JsonNode): Watch = {
    def numbers(name: String) = json.path(name).elements().asScala.toArray
    Watch(json.path("path").asText, numbers("edges").map(_.asDouble), numbers("counts").map(_.asLong), json.path("limit").asInt,
      json.path("differs").asLong, json.path("band").asDouble, json.path("labels").asBoolean,
      json.path("sureCost").asDouble, json.path("fullCost").asDouble)
  }
}
